"""Personas: who an agent is, in its owner's words."""

import asyncio
import hashlib
from typing import Annotated

from msgspec import Meta, Struct

from carapax.api.agent import Named
from carapax.api.fields import Name
from carapax.api.operation import operation
from carapax.api.services import Services

_PATH = "/api/agents/{agent}/persona"


class PersonaText(Struct, frozen=True):
    """Who an agent is.

    agent: whose it is
    text: what goes before everything else that its model is told
    source: "file" for the agent's `persona.md`, "config" for the key `persona`, "none" where nothing says it
    file: where `persona.md` is, or would be
    is_cut: whether the file is longer than what is read of it
    """

    agent: str
    text: str
    source: str
    file: str
    is_cut: bool = False


class SetPersona(Struct, frozen=True, forbid_unknown_fields=True):
    """Who an agent is to be.

    agent: its name; empty for the default agent
    text: up to 20,000 characters; an empty text is a persona that says nothing
    remove: take the file away instead, so that the configuration's persona counts
    """

    agent: Name = ""
    text: Annotated[str, Meta(max_length=20_000, pattern=r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$")] = ""
    remove: bool = False


@operation("agent.persona", scope="admin", path=_PATH, raises=(404,))
async def get(services: Services, params: Named) -> PersonaText:
    """Tell who an agent is, in its owner's words, and where that is written."""
    agent = services.sessions.agent(params.agent)
    file = str(services.personas.place(agent.name))
    persona = await asyncio.to_thread(services.personas.read, agent.name)
    if persona is None:
        return PersonaText(agent.name, agent.config.persona, "config" if agent.config.persona else "none", file)
    return PersonaText(agent.name, persona.text, "file", file, persona.is_cut)


@operation("agent.set_persona", scope="admin", method="POST", path=_PATH, raises=(404, 503))
async def set_(services: Services, params: SetPersona) -> PersonaText:
    """Write who an agent is; its next run knows."""
    agent = services.sessions.agent(params.agent).name
    if params.remove:
        await asyncio.to_thread(services.personas.remove, agent)
    else:
        await asyncio.to_thread(services.personas.write, agent, params.text)
    digest = "none" if params.remove else hashlib.sha256(params.text.encode("utf-8", "replace")).hexdigest()
    detail = {"agent": agent, "digest": digest}
    await services.audit.note("agent.set_persona", services.caller.actor(), detail=detail)
    return await get(services, Named(agent))
