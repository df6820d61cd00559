"""Why a model did not answer: what vendors say of it in their many spellings, told apart and made fit to be shown."""

import math
import re
from base64 import b64encode
from collections.abc import Mapping
from urllib.parse import quote

import msgspec
from msgspec import Struct

from carapax.errors import ContextOverflow, ModelBusy, ModelError, ModelRejected, ModelUnauthorized, ModelUnavailable
from carapax.invisible import strip
from carapax.redaction import MASK, Secret, without_userinfo
from carapax.redactor import Redactor

BROKEN_JSON = (ValueError, RecursionError)

_LONGEST_MESSAGE = 400

_LONGEST_READ = 4_000

_LONGEST_WAIT_S = 1e9

_SHORTEST_PART = 12

_UNAUTHORIZED_CODES = re.compile(
    r"insufficient_quota|invalid_api_key|API_KEY_INVALID|billing|credit_balance|exceeded_current_quota"
    r"|SUBSCRIPTION_|AccessDenied|UnrecognizedClient|ExpiredToken|InvalidSignature|MissingAuthenticationToken"
)

_UNAUTHORIZED_WORDS = re.compile(
    r"credit balance is too low|insufficient (balance|credits|quota)|exceeded your current quota", re.I
)

_DEPLETED = re.compile(r"credits are depleted|spending cap", re.I)

_BUSY_CODES = re.compile(
    r"overloaded|rate_limit|too_many_requests|engine_overloaded|capacity_exceeded|[Tt]hrottling|ServiceQuotaExceeded|NotReady"
)

_OVERFLOW_CODES = re.compile(r"context_length|context_window|exceed_context_size|request_too_large|prompt_too_long")

_OVERFLOW_WORDS = re.compile(
    r"(maximum|max|available|model's|exceeds?( the| its| model)?|of the) (context|prompt) (length|window|size)"
    r"|context (length|window|size|limit)( of only|.{0,40}(exceed|overflow|too (small|short)))"
    r"|exceeds? .{0,40}(context|prompt).{0,20}(length|window|size|limit)"
    r"|(prompt|input|request)( is)? too (long|large)|prompt exceeds max|too many (input )?tokens"
    r"|reduce the length of (the|your) (messages|prompt|input)"
    r"|input token count.{0,60}exceeds|exceeds the maximum (number of )?(input )?tokens"
    r"|tokens.{0,40}max_new_tokens.{0,20} must be|greater than the context length",
    re.I,
)

_KIND_STATUS = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "server_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}

_PLACES = re.compile(
    r"on-demand throughput isn|inference profile|(is not|isn.t) (available|supported) in .{0,40}region", re.I
)

_PLACE_HINT = "put us., eu., apac. or global. before the model's name (an inference profile), or set another region"

_RETRY_DELAY = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)s")

_HINTS = {404: "check the model's name and the base_url", 405: "check the base_url"}


class Origin(Struct, frozen=True):
    """Who is asked: the provider by its name here, the model by the vendor's, which is empty for one of searches.

    `id` is unlike that of any other request; names that a vendor left out are made from it. `key` is what no error
    may show.
    """

    provider: str
    model: str
    id: str = "0"
    key: Secret = Secret("")


class VendorError(Struct, frozen=True):
    """The `error` object that vendors answer with, whatever their spelling."""

    message: str = ""
    code: str = ""
    status: int = 0
    retry_after_s: float | None = None


def failure(origin: Origin, status: int, headers: Mapping[str, str], body: bytes, now: float) -> ModelError:
    """The exception for an answer that is not a 200."""
    retry_after_s = _retry_after(headers, now)
    error = read_error(body)
    if error is None:
        error = VendorError(message=_plain(body))
    code = error.code or headers.get("x-amzn-errortype", "")
    return refusal(origin, msgspec.structs.replace(error, code=code, status=status), retry_after_s)


def refusal(origin: Origin, error: VendorError, retry_after_s: float | None = None) -> ModelError:
    """The exception for an error object, also for one inside a 200 or a stream, where `status` is 0 or as it says."""
    status = error.status
    if retry_after_s is None:
        retry_after_s = error.retry_after_s
    said = shown(error.message or error.code or "no reason given", origin.key)
    kind, hint = _classify(error)
    if kind is ModelRejected and not origin.model:
        hint = "check the base_url" if status in (404, 405) else "the request may be one that it does not take"
    if kind is ModelBusy and retry_after_s:
        hint = f"try again in {math.ceil(retry_after_s)} s"
    number = f" with {status}" if status else ""
    return kind(
        f"{origin.provider} answered{number}{f' for model {origin.model}' if origin.model else ''}: {said}",
        hint,
        vendor=origin.provider,
        model=origin.model,
        status=status,
        retry_after_s=retry_after_s,
    )


def unavailable(origin: Origin, why: str, hint: str = "", *, asked: bool = True) -> ModelUnavailable:
    """The exception for a server that does not answer as it should, or that was not even `asked`."""
    return ModelUnavailable(
        f"{origin.provider}{f', model {origin.model}' if origin.model else ''}: {shown(why, origin.key)}",
        hint or "it may work later",
        vendor=origin.provider,
        model=origin.model,
        asked=asked,
    )


def unreadable(origin: Origin, body: bytes | str) -> ModelUnavailable:
    """The exception for an answer in no language we know: a page of HTML, half a document."""
    text = (body if isinstance(body, str) else body[:_LONGEST_READ].decode(errors="replace"))[:_LONGEST_READ]
    is_page = "<html" in text.lower() or "<!doctype" in text.lower()
    what = "an HTML page" if is_page else f"no valid answer: {_without(text, origin.key)[:80]!r}"
    return unavailable(origin, f"the server sent {what}", "check that the base_url is that of an API")


def no_answer(origin: Origin, body: bytes | str) -> ModelError:
    """The exception for a body that could not be read as an answer: the error that it holds, or `unreadable`."""
    error = read_error(body)
    return refusal(origin, error) if error else unreadable(origin, body)


def read_error(body: bytes | str) -> VendorError | None:
    """The error object of a body; None when there is none."""
    try:
        found = msgspec.json.decode(body)
    except BROKEN_JSON:
        return None
    if isinstance(found, list) and found:
        found = found[0]
    if not isinstance(found, dict):
        return None
    return as_error(found.get("error") or found.get("detail") or (found.get("message") and found))


def as_error(found: object) -> VendorError | None:
    """Read an `error` value: an object, a bare sentence, or nothing."""
    if not found:
        return None
    if not isinstance(found, dict):
        return VendorError(message=str(found))
    code = found.get("code")
    reasons, retry_after_s = _details(found.get("details"))
    words = [str(word) for word in (code, found.get("type"), found.get("status"), *reasons) if word is not None]
    status = next((_KIND_STATUS[word] for word in words if word in _KIND_STATUS), 0)
    if words and re.fullmatch(r"[45]\d\d", words[0]):
        status = int(words[0])
    metadata = found.get("metadata")
    said = (
        found.get("message") or found.get("detail") or found.get("error"),
        metadata.get("raw") if isinstance(metadata, dict) else None,
    )
    message = ": ".join(part for part in said if isinstance(part, str) and part)
    return VendorError(message, " ".join(words), status, retry_after_s)


def _details(found: object) -> tuple[list[str], float | None]:
    """The reasons, and the seconds to wait, that https://google.aip.dev/193 has among the details of an error."""
    details = [detail for detail in found if isinstance(detail, dict)] if isinstance(found, list) else []
    reasons = [reason for detail in details if isinstance(reason := detail.get("reason"), str)]
    delays = [_RETRY_DELAY.fullmatch(str(detail.get("retryDelay"))) for detail in details]
    return reasons, next((float(delay[1]) for delay in delays if delay), None)


def _classify(error: VendorError) -> tuple[type[ModelError], str]:
    code, status = error.code, error.status
    if status in (0, 400, 413, 422, 500) and (
        status == 413 or _OVERFLOW_CODES.search(code) or _OVERFLOW_WORDS.search(error.message)
    ):
        return ContextOverflow, "shorten the conversation, or choose a model with a larger context"
    if "RESOURCE_EXHAUSTED" in code and not _DEPLETED.search(error.message):
        return ModelBusy, "try again later"  # said with "exceeded your current quota" for each limit there is
    if (
        status in (401, 402, 403, 432, 433)  # the last two are Tavily's for what a plan has no more of
        or _UNAUTHORIZED_CODES.search(code)
        or _UNAUTHORIZED_WORDS.search(error.message)
        or _DEPLETED.search(error.message)
    ):
        return ModelUnauthorized, "check the key, what it may use, and the credit of its account"
    if status in (429, 529) or _BUSY_CODES.search(code):
        return ModelBusy, "try again later"
    if "tool_use_failed" in code or status in (408, 424, 425):
        return ModelUnavailable, "try again"
    if 300 <= status < 400:
        return ModelRejected, "the server sends elsewhere: check the base_url"
    if 400 <= status < 500:
        return ModelRejected, _rejected(error)
    return ModelUnavailable, "it may work later"


def _rejected(error: VendorError) -> str:
    """What to do about a request that was refused for what it says."""
    if _PLACES.search(error.message):
        return _PLACE_HINT
    if "model identifier is invalid" in error.message:
        return _HINTS[404]
    return _HINTS.get(error.status, "the model or its settings may not take this request")


def _retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds to wait by https://www.rfc-editor.org/rfc/rfc9110#field.retry-after, a number or a date, or by the
    vendors' own header in milliseconds."""
    milliseconds, value = headers.get("retry-after-ms", ""), headers.get("retry-after", "").strip()
    if re.fullmatch(r"\d{1,9}(\.\d+)?", milliseconds):
        return float(milliseconds) / 1000
    if re.fullmatch(r"\d{1,9}(\.\d+)?", value):
        return float(value)
    from email.utils import parsedate_to_datetime  # noqa: PLC0415  # heavy, and seldom needed

    try:
        wait_s = max(0.0, parsedate_to_datetime(value).timestamp() - now)
    except (ValueError, OverflowError):
        return None
    return wait_s if wait_s < _LONGEST_WAIT_S else None


def _plain(body: bytes) -> str:
    """What a body that is no error object says: its title if it is a page, else its beginning."""
    text = body[:_LONGEST_READ].decode(errors="replace")
    title = re.search(r"<title[^>]*>(.*?)</title", text, re.I | re.S)
    return title[1] if title else re.sub(r"<[^>]*>", " ", text)


def shown(message: str, key: Secret) -> str:
    """A vendor's sentence as people may see it: in one line, not too long, without the key or what looks like one."""
    message = without_userinfo(_without(Redactor([key])(message[:_LONGEST_READ]), key))
    message = re.sub(r"\S*\*{3,}[^\s.,]*|\b(?:(?:sk|gsk|csk|key)-[\w-]{8,}|AIza[\w-]{30,})", MASK, message)
    message = strip(" ".join("".join(letter if letter.isprintable() else " " for letter in message).split()))
    return message if len(message) <= _LONGEST_MESSAGE else message[: _LONGEST_MESSAGE - 1] + "…"


def _without(text: str, key: Secret) -> str:
    """The text without the key, its parts and pieces, also as they are in URLs, in JSON and in base64."""
    value = key.reveal()
    if len(value) < _SHORTEST_PART:
        return text.replace(value, MASK) if value else text
    size = _SHORTEST_PART
    written = (value, quote(value, safe=""), value.replace("/", "\\/"), b64encode(value.encode()).decode().rstrip("="))
    pieces = {form[at : at + size] for form in written for at in range(len(form) - size + 1)}
    shown: list[str] = []
    hidden_to = 0
    for at, letter in enumerate(text):
        if text[at : at + size] in pieces:
            shown += [MASK] if at >= hidden_to else []
            hidden_to = at + size
        if at >= hidden_to:
            shown.append(letter)
    return "".join(shown)
