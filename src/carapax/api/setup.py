"""Setting up: what of it is done, what is missing, and that somebody has finished it."""

from collections.abc import Mapping

from msgspec import Struct

from carapax import extensions
from carapax.api.health import Nothing
from carapax.api.operation import operation
from carapax.api.services import Services
from carapax.config import Config
from carapax.store.audit import newest

FINISHED = "setup.finish"
_SIGHT = "They see this system read-only and one folder of their agent's own"
_CONFINED = {
    "strict": f"Commands run confined. {_SIGHT}, and reach no network.",
    "relaxed": f"Commands run confined. {_SIGHT}, and reach the web through a proxy of the gateway.",
}
_FREE = "Commands are not confined: they can do whatever the user of the gateway can."


class Confinement(Struct, frozen=True):
    """Where the commands of an agent run.

    kind: the sandbox by name
    level: "strict", "relaxed", or "none" for one that confines nothing
    ok: whether it works here; where it does not, no command runs
    told: what that means, or why it does not work and what to do
    """

    kind: str
    level: str
    ok: bool
    told: str


class Setup(Struct, frozen=True):
    """How far setting up has come.

    finished: whether somebody has said that it is enough
    wanted: whether it should be offered unasked: the home is new, nothing was said in it, and something is missing
    missing: what nobody has done yet: "owner", "model", "agent", "user", "sandbox"
    owner: whether the owner can sign in
    agent: the default agent
    title: what people call it; empty where nobody has said
    emoji: one that stands for it
    manner: how it talks to people
    model: the model that answers, as it was found
    model_reason: why that one
    is_demo: whether it is the built-in offline one
    user: what agents call the owner; empty where nobody has said
    timezone: the owner's time zone; empty for that of the machine
    sandbox: where commands run
    channels: the chat platforms that there are
    """

    finished: bool
    wanted: bool
    missing: tuple[str, ...]
    owner: bool
    agent: str
    title: str
    emoji: str
    manner: str
    model: str
    model_reason: str
    is_demo: bool
    user: str
    timezone: str
    sandbox: Confinement
    channels: tuple[str, ...]


class Known(Struct, frozen=True):
    """What the configuration does not say: the model that answers and why, the title that the persona gives, why the
    sandbox cannot be had, whether the owner can sign in, whether setting up was finished, and whether the home is as
    the first start has made it."""

    model: str
    model_reason: str
    title: str
    sandbox_problem: str
    owner: bool
    finished: bool
    is_new: bool


def sum_up(config: Config, known: Known) -> Setup:
    """How far the setting up of a gateway has come."""
    name, agent = next(iter(config.agents.items()))
    title, is_demo = agent.title or known.title, known.model.partition("/")[0] == "demo"
    sandbox = confinement(agent.sandbox, config.sandboxes.get(agent.sandbox, {}), known.sandbox_problem)
    done = {
        "owner": known.owner,
        "model": not is_demo,
        "agent": bool(title),
        "user": bool(config.user.name),
        "sandbox": sandbox.ok,
    }
    missing = tuple(step for step, is_done in done.items() if not is_done)
    return Setup(
        known.finished,
        bool(missing) and known.is_new and not known.finished,
        missing,
        known.owner,
        name,
        title,
        agent.emoji,
        agent.manner,
        known.model,
        known.model_reason,
        is_demo,
        config.user.name,
        config.user.timezone,
        sandbox,
        tuple(extensions.names("channel")),
    )


def confinement(kind: str, section: Mapping[str, object], problem: str) -> Confinement:
    """A sandbox in plain words; `problem` says why it does not work, and what to do."""
    level = "none" if kind == "local" else str(section.get("level", "strict"))
    return Confinement(kind, level, not problem, problem or _CONFINED.get(level, _FREE))


@operation("setup.status", scope="admin", path="/api/setup")
async def status(services: Services, params: Nothing) -> Setup:
    """Tell how far setting up has come."""
    await services.registry.look_again()
    agent = services.sessions.status()
    finished = bool(await newest(services.audit.database, kind=FINISHED, limit=1))
    known = Known(
        agent.model,
        agent.model_reason,
        agent.title if agent.title != agent.name else "",
        agent.sandbox_detail,
        await services.owner.record.is_known(),
        finished,
        services.settings.home.config_file.is_file() and not await services.journal.sessions(limit=1),
    )
    return sum_up(services.config, known)


@operation("setup.finish", scope="admin", method="POST", path="/api/setup")
async def finish(services: Services, params: Nothing) -> Setup:
    """Say that the gateway is set up, or well enough, so that it is not offered any more."""
    found = await status(services, params)
    detail = {"missing": ", ".join(found.missing)}
    await services.audit.note("setup.finish", services.caller.actor(), detail=detail)
    return await status(services, params)
