"""One call of a model, as telemetry is told of it."""

from collections.abc import Callable

from msgspec import Struct

from carapax.contracts import Spender
from carapax.messages import AssistantMessage


class Called(Struct, frozen=True):
    """A call that is over. `began_at` is in seconds since 1970; `first_s` is how long its first word took, None when
    nothing was streamed; `error` is the kind of error it failed with, empty when there is an `answer`, and "cancelled"
    when nobody waited for the end."""

    spender: Spender
    provider: str
    model: str
    began_at: float
    took_s: float
    first_s: float | None = None
    error: str = ""
    answer: AssistantMessage | None = None


Calls = Callable[[Called], None]


def both(one: Calls, other: Calls) -> Calls:
    """Tells both."""

    def tell(call: Called) -> None:
        one(call)
        other(call)

    return tell
