"""What callers can ask for: `OPERATIONS`, by name."""

from carapax.api import (
    agent,
    audit,
    config,
    cooldown,
    costs,
    facts,
    file,
    health,
    message,
    model,
    provider,
    secret,
    session,
    stop,
    token,
    tools,
    transfer,
)
from carapax.api.operation import OPERATIONS, Operation, covers
from carapax.api.services import Caller, Services

__all__ = [
    "OPERATIONS",
    "Caller",
    "Operation",
    "Services",
    "agent",
    "audit",
    "config",
    "cooldown",
    "costs",
    "covers",
    "facts",
    "file",
    "health",
    "message",
    "model",
    "provider",
    "secret",
    "session",
    "stop",
    "token",
    "tools",
    "transfer",
]
