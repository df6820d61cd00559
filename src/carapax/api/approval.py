"""Approvals: calls that wait for a person's yes."""

from typing import Literal

from msgspec import Struct

from carapax.api.fields import Identifier
from carapax.api.health import Nothing
from carapax.api.operation import covers, operation
from carapax.api.services import Services
from carapax.events import ApprovalAsked, Scope
from carapax.store.grants import Granted


class Pending(Struct, frozen=True):
    """A call that waits.

    session: where
    approval: what is asked, and until when
    """

    session: str
    approval: ApprovalAsked


class Approvals(Struct, frozen=True):
    """All that waits, the first to expire first.

    approvals: the calls
    may_answer: whether the caller may answer them
    now: the gateway's clock, in seconds since 1970, from which the time is counted that is left
    """

    approvals: list[Pending]
    may_answer: bool
    now: float


class Answer(Struct, frozen=True, forbid_unknown_fields=True):
    """A person's answer.

    approval: the id of what was asked
    digest: the digest that it was shown with, so that the answer counts for nothing else
    verdict: "allow" or "deny"
    scope: "once" for this call; "session" or "always" for what the question offers for it
    """

    approval: Identifier
    digest: Identifier
    verdict: Literal["allow", "deny"]
    scope: Scope = "once"


class Answered(Struct, frozen=True):
    """The answer counts.

    verdict: "allow" or "deny"
    scope: "once", "session" or "always"
    """

    verdict: str
    scope: str


class Given(Struct, frozen=True):
    """What people have allowed for good, the oldest first.

    grants: for which agent, which calls, who allowed them and when
    """

    grants: list[Granted]


class Forget(Struct, frozen=True, forbid_unknown_fields=True):
    """A grant that is to end.

    grant: its id
    """

    grant: Identifier


@operation("approval.list", scope="read", path="/api/approvals")
async def list_(services: Services, params: Nothing) -> Approvals:
    """List the calls that wait for a person's yes."""
    pending = [Pending(session, asked) for session, asked in services.sessions.approvals()]
    return Approvals(pending, covers(services.caller.scopes, "approve"), services.clock.now())


@operation("approval.answer", scope="approve", method="POST", path="/api/approvals/{approval}", raises=(404, 409))
async def answer(services: Services, params: Answer) -> Answered:
    """Let a call run that waits, or refuse it. The first answer counts; none in time means no."""
    who = services.caller.actor()
    await services.sessions.answer(params.approval, params.digest, params.verdict, who, params.scope)
    return Answered(params.verdict, params.scope)


@operation("grant.list", scope="read", path="/api/grants")
async def list_grants(services: Services, params: Nothing) -> Given:
    """List what people have allowed for all sessions of an agent."""
    return Given(services.grants.all())


@operation("grant.remove", scope="approve", method="DELETE", path="/api/grants/{grant}", raises=(404,))
async def remove_grant(services: Services, params: Forget) -> Granted:
    """Take back what was allowed for all sessions of an agent; calls that it covered are asked about again."""
    removed = services.audit.of("grant.removed", services.caller.actor(), detail={"grant": params.grant})
    return await services.grants.remove(params.grant, removed)
