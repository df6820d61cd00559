"""Approvals: calls that wait for a person's yes."""

from typing import Literal

from msgspec import Struct

from carapax.api.fields import Identifier
from carapax.api.health import Nothing
from carapax.api.operation import operation
from carapax.api.services import Services
from carapax.events import ApprovalAsked


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
    """

    approvals: list[Pending]


class Answer(Struct, frozen=True, forbid_unknown_fields=True):
    """A person's answer.

    approval: the id of what was asked
    digest: the digest that it was shown with, so that the answer counts for nothing else
    verdict: "allow" or "deny"
    """

    approval: Identifier
    digest: Identifier
    verdict: Literal["allow", "deny"]


class Answered(Struct, frozen=True):
    """The answer counts.

    verdict: "allow" or "deny"
    """

    verdict: str


@operation("approval.list", scope="read", path="/api/approvals")
async def list_(services: Services, params: Nothing) -> Approvals:
    """List the calls that wait for a person's yes."""
    return Approvals([Pending(session, asked) for session, asked in services.sessions.approvals()])


@operation("approval.answer", scope="approve", method="POST", path="/api/approvals/{approval}", raises=(404, 409))
async def answer(services: Services, params: Answer) -> Answered:
    """Let a call run that waits, or refuse it. The first answer counts; none in time means no."""
    await services.sessions.answer(params.approval, params.digest, params.verdict, services.caller.actor())
    return Answered(params.verdict)
