"""The exceptions that parts raise to one another. Some parts have kinds of their own beneath these.

CarapaxError                 what is told to a person: a message and, where there is one, what to do
├── ConfigError              a configuration that cannot be used; a command exits with 2
├── InvalidRequest           a caller sent something that does not fit
├── NotFound                 a named thing does not exist
├── Conflict                 the thing exists but is not in a state for this
├── Unauthorized             no credential, or one that is not known
├── Forbidden                a known caller may not do this
├── RateLimited              too much, too fast; `retry_after_s` says when
├── Unavailable              a part that is needed is missing or broken
├── Broken                   our own code, or an extension's, failed in a way nobody expected; it is in the log
├── StoreError               the database cannot be used
│   ├── StoreCorrupt         the file is damaged; start is refused
│   ├── StoreFull            no space, or read-only; may pass
│   └── StoreLocked          another gateway holds this home
├── Lagged                   a subscriber was too slow and must resume from its last `seq`
└── ModelError               a model could not answer
    ├── ModelRejected        the request itself is wrong (400, unknown model): retrying cannot help
    ├── ModelUnauthorized    the key is missing, refused or out of credit
    ├── ModelBusy            429: may pass after `retry_after_s`
    ├── ModelUnavailable     network, 5xx, stall, garbage: may pass
    ├── ContextOverflow      the request is too long for the model
    └── OverBudget           the call could cost more than a budget has left
"""

from collections.abc import Mapping
from types import MappingProxyType


class CarapaxError(Exception):
    """Something that went wrong and can be told to a person.

    `message` says what was wrong and where; `hint` says what to do, or is empty.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class ConfigError(CarapaxError):
    pass


class InvalidRequest(CarapaxError):
    """`fields` says what is wrong with each field that does not fit, by its name as the caller knows it."""

    def __init__(self, message: str, hint: str = "", *, fields: Mapping[str, str] = MappingProxyType({})) -> None:
        super().__init__(message, hint)
        self.fields = dict(fields)


class NotFound(CarapaxError):
    pass


class Conflict(CarapaxError):
    pass


class Unauthorized(CarapaxError):
    pass


class Forbidden(CarapaxError):
    pass


class RateLimited(CarapaxError):
    def __init__(self, message: str, retry_after_s: float) -> None:
        super().__init__(message, f"try again in {max(1, round(retry_after_s))} s")
        self.retry_after_s = retry_after_s


class Unavailable(CarapaxError):
    pass


class Broken(CarapaxError):
    pass


class StoreError(CarapaxError):
    pass


class StoreCorrupt(StoreError):
    pass


class StoreFull(StoreError):
    pass


class StoreLocked(StoreError):
    pass


class Lagged(CarapaxError):
    pass


class ModelError(CarapaxError):
    """`vendor`, `model` and `status` (an HTTP status, 0 without one) name who failed and how. `asked` is whether the
    vendor may have begun to answer."""

    def __init__(
        self,
        message: str,
        hint: str = "",
        *,
        vendor: str = "",
        model: str = "",
        status: int = 0,
        retry_after_s: float | None = None,
        asked: bool = True,
    ) -> None:
        super().__init__(message, hint)
        self.asked = asked
        self.vendor = vendor
        self.model = model
        self.status = status
        self.retry_after_s = retry_after_s


class ModelRejected(ModelError):
    pass


class ModelUnauthorized(ModelError):
    pass


class ModelBusy(ModelError):
    pass


class ModelUnavailable(ModelError):
    pass


class ContextOverflow(ModelError):
    pass


class OverBudget(ModelError):
    pass
