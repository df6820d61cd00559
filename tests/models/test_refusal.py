from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carapax.errors import (
    ContextOverflow,
    ModelBusy,
    ModelError,
    ModelRejected,
    ModelUnauthorized,
    ModelUnavailable,
)
from carapax.models.refusal import Origin, VendorError, failure, no_answer, read_error, refusal, unreadable
from carapax.redaction import Secret

NOW = 1_800_000_000.0
ORIGIN = Origin("vendor", "model-1", key=Secret("sk-verysecretkey12345"))


def fail(status: int, body: object, **headers: str) -> ModelError:
    data = body if isinstance(body, bytes) else msgspec.json.encode(body)
    return failure(ORIGIN, status, {name.replace("_", "-"): value for name, value in headers.items()}, data, NOW)


def said(message: str, **fields: object) -> dict[str, object]:
    return {"error": {"message": message, **fields}}


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, said("Unknown parameter"), ModelRejected),
        (404, said("The model does not exist", code="model_not_found"), ModelRejected),
        (405, b"", ModelRejected),
        (422, {"detail": [{"msg": "Extra inputs are not permitted"}]}, ModelRejected),
        (302, b"", ModelRejected),
        (401, said("Incorrect API key"), ModelUnauthorized),
        (402, said("Insufficient Balance"), ModelUnauthorized),
        (403, said("Country not supported"), ModelUnauthorized),
        (429, said("You exceeded your current quota", code="insufficient_quota"), ModelUnauthorized),
        (
            400,
            said("Your credit balance is too low to access the API", type="invalid_request_error"),
            ModelUnauthorized,
        ),
        (429, said("Rate limit reached for gpt-x on tokens per min. Request too large."), ModelBusy),
        (429, b"slow down", ModelBusy),
        (529, {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}, ModelBusy),
        (503, said("busy", code="engine_overloaded"), ModelBusy),
        (408, b"", ModelUnavailable),
        (500, b"", ModelUnavailable),
        (502, b"<html><head><title>502 Bad Gateway</title></head></html>", ModelUnavailable),
        (504, said("timeout"), ModelUnavailable),
        (400, said("did not match schema", code="tool_use_failed"), ModelUnavailable),
        (413, b"Request Entity Too Large", ContextOverflow),
    ],
)
def test_each_answer_has_its_exception(status: int, body: object, kind: type[ModelError]) -> None:
    error = fail(status, body)
    assert type(error) is kind
    assert (error.vendor, error.model, error.status) == ("vendor", "model-1", status)
    assert "vendor" in error.message
    assert "model-1" in error.message
    assert error.hint


@pytest.mark.parametrize(
    "error",
    [
        VendorError("This model's maximum context length is 128000 tokens. However, your messages resulted in 130000"),
        VendorError("Your input exceeds the context window of this model. Please adjust your input and try again."),
        VendorError("prompt is too long: 208310 tokens > 200000 maximum"),
        VendorError("input length and `max_tokens` exceed context limit: 199000 + 20000 > 200000"),
        VendorError("Please reduce the length of the messages or completion.", "context_length_exceeded"),
        VendorError("the request exceeds the available context size, try increasing it", "exceed_context_size_error"),
        VendorError(
            "Trying to keep the first 9000 tokens when context the overflows. context length of only 4096 tokens"
        ),
        VendorError("Prompt contains 70000 tokens, too large for model with 32768 maximum context length"),
        VendorError("This endpoint's maximum context length is 163840 tokens."),
        VendorError("Prompt exceeds max length", "1261"),
        VendorError("`inputs` tokens + `max_new_tokens` must be <= 8193. Given: 9000 `inputs` tokens"),
        VendorError("The input token count (1200000) exceeds the maximum number of tokens allowed (1048576)."),
        VendorError("This model's maximum prompt length is 131072 but the request contains 140000 tokens."),
        VendorError("input is too long for requested model"),
        VendorError("too big", "context_length_exceeded"),
    ],
)
def test_a_request_too_long_is_known_by_the_usual_words(error: VendorError) -> None:
    for status in (0, 400):
        assert type(refusal(ORIGIN, msgspec.structs.replace(error, status=status))) is ContextOverflow


@pytest.mark.parametrize(
    "message",
    [
        "max_tokens is too large: 999999. This model supports at most 16384 completion tokens",
        "Unknown parameter: 'context'",
        "Token limit reached",
        "Invalid schema for function 'read': prompt is required",
    ],
)
def test_other_refusals_are_no_overflow(message: str) -> None:
    assert type(refusal(ORIGIN, VendorError(message, status=400))) is ModelRejected


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry_after": "7"}, 7),
        ({"retry_after": " 1.5 "}, 1.5),
        ({"retry_after": "Fri, 15 Jan 2027 08:00:30 GMT"}, 30),
        ({"retry_after": "Fri, 15 Jan 2027 07:00:00 GMT"}, 0),
        ({"retry_after_ms": "250", "retry_after": "9"}, 0.25),
        ({"retry_after": "soon"}, None),
        ({"retry_after": "-5"}, None),
        ({"retry_after": "9" * 400}, None),
        ({"retry_after": "Wed, 21 Oct 9999 07:28:00 GMT"}, None),
        ({}, None),
    ],
)
def test_the_wait_that_a_vendor_asks_for_is_kept(headers: dict[str, str], seconds: float | None) -> None:
    assert fail(429, b"", **headers).retry_after_s == seconds


def test_a_wait_is_told_to_people() -> None:
    assert fail(429, b"", retry_after="6.2").hint == "try again in 7 s"


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ("overloaded_error", ModelBusy),
        ("rate_limit_error", ModelBusy),
        ("api_error", ModelUnavailable),
        ("authentication_error", ModelUnauthorized),
        ("invalid_request_error", ModelRejected),
        ("unheard_of", ModelUnavailable),
    ],
)
def test_an_error_without_a_status_goes_by_its_type(error: str, kind: type[ModelError]) -> None:
    found = read_error(msgspec.json.encode({"type": "error", "error": {"type": error, "message": "no"}}))
    assert found
    assert type(refusal(ORIGIN, found)) is kind


def test_the_key_is_never_shown() -> None:
    for words in ("key sk-verysecretkey12345 is wrong", "Incorrect API key: sk-ver*******2345.", "gsk-abcdefghijklmn?"):
        message = fail(401, said(words)).message
        assert "2345" not in message
        assert "abcdefg" not in message
        assert "********" in message


def in_error(words: str) -> bytes:
    return msgspec.json.encode(said(words))


@pytest.mark.parametrize(
    "words",
    [
        "AKIA0123456789ABCDEF",
        "wJalr/XUtn+FEMI/K7MD",
        "wJalr%2FXUtn%2BFEMI%2FK7MD",
        "wJalr\\/XUtn+FEMI\\/K7MD",
        "QUtJQTAxMjM0NTY3ODlBQkNERUY6d0phbHIv",
        "FEMI/K7MD:IQoJb3JpZ2lu",
        "x" * 66 + "wJalr/XUtn+FEMI/K7MD",
        "x" * 393 + "wJalr/XUtn+FEMI/K7MD",
    ],
)
@pytest.mark.parametrize("told", [in_error, str.encode, lambda words: b'"' + words.encode()])
def test_no_piece_of_a_key_is_shown_however_it_is_written(words: str, told: Callable[[str], bytes]) -> None:
    key = Secret("AKIA0123456789ABCDEF:wJalr/XUtn+FEMI/K7MD:IQoJb3JpZ2lu")
    origin = Origin("vendor", "model-1", key=key)
    for error in (failure(origin, 400, {}, told(words), 0), no_answer(origin, told(words))):
        assert words[-12:] not in str(error)
        assert words[-20:-8] not in str(error)


def test_a_key_that_is_only_a_word_is_not_looked_for_in_other_forms() -> None:
    error = failure(Origin("vendor", "m", key=Secret("x")), 400, {}, in_error("eA is x"), 0)
    assert "eA is ********" in error.message


def test_a_long_message_is_shortened_and_kept_in_one_line() -> None:
    message = fail(400, said("first\nsecond\x1b[31m" + "x" * 5000)).message
    assert len(message) < 600
    assert message.isprintable()
    assert "first second" in message


def test_a_page_of_html_is_told_by_its_title_or_as_what_it_is() -> None:
    assert "502 Bad Gateway" in fail(502, b"<html><title>502 Bad Gateway</title><p>long</p></html>").message
    assert "an HTML page" in unreadable(ORIGIN, b"<!DOCTYPE html><html></html>").message


@given(st.binary(max_size=200), st.integers(201, 599))
def test_any_bytes_are_told_as_some_failure(body: bytes, status: int) -> None:
    error = fail(status, body)
    assert isinstance(error, ModelError)
    assert str(error).isprintable()


def test_an_address_that_a_vendor_repeats_shows_no_key_of_its_query() -> None:
    told = str(fail(404, said("nothing at https://ann:pass@host/v1?key=AIzaSyD-short&alt=sse")))
    assert "AIzaSyD-short" not in told
    assert "pass@" not in told
