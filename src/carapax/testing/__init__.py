"""Test doubles for whoever builds on Carapax, and the rules that providers and channels keep.

`FakeClock`, `ScriptedProvider`, `MemoryChannel`, `MemorySandbox` and `MemoryVault` stand in for time, a model, a chat
platform, files and secrets. `ProviderContract`, `EmbedderContract`, `SearcherContract`, `ChannelContract` and
`SecretStoreContract` are test classes to inherit from. `carapax.testing.gateway` opens a whole gateway for a test,
`carapax.testing.simulation` runs one in virtual time.
"""

from carapax.testing.channel import ChannelContract, MemoryChannel
from carapax.testing.clock import FakeClock
from carapax.testing.embedder import EmbedderContract
from carapax.testing.models import OneProvider
from carapax.testing.provider import Answer, Pause, ProviderContract, Script, ScriptedProvider, call
from carapax.testing.sandbox import MemorySandbox
from carapax.testing.searcher import SearcherContract
from carapax.testing.vault import MemoryVault, SecretStoreContract

__all__ = [
    "Answer",
    "ChannelContract",
    "EmbedderContract",
    "FakeClock",
    "MemoryChannel",
    "MemorySandbox",
    "MemoryVault",
    "OneProvider",
    "Pause",
    "ProviderContract",
    "Script",
    "ScriptedProvider",
    "SearcherContract",
    "SecretStoreContract",
    "call",
]
