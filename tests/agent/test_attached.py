from collections.abc import Callable

import pytest

from carapax.agent.attached import MOST_BYTES, Attached
from carapax.errors import ContextOverflow, ModelError, ModelRejected, ModelUnavailable, NotFound
from carapax.events import Delta, StreamReset
from carapax.invisible import NOTE
from carapax.messages import AssistantMessage, Attachment, ModelRequest, UserMessage
from carapax.store.files import attachment
from carapax.testing import ScriptedProvider
from tests.running import run

PNG = b"\x89PNG\r\n\x1a\n\0\0"
PDF = b"%PDF-1.7 "
KEPT = {file.digest: file for file in (attachment(data.decode("latin-1")[:4], data) for data in (PNG, PDF))}


def file(name: str, data: bytes, declared: str = "") -> Attachment:
    KEPT[attachment(name, data).digest] = attachment(name, data, declared)
    found = attachment(name, data, declared)
    return Attachment(name, found.media_type, found.digest, found.size)


async def read(digest: str) -> bytes:
    if digest not in KEPT:
        raise NotFound("gone")
    return KEPT[digest].data


def shown(
    *messages: UserMessage, takes: Callable[[str, str], bool | None] = lambda model, kind: None
) -> tuple[UserMessage, ...]:
    async def main() -> tuple[UserMessage, ...]:
        provider = ScriptedProvider(["fine"])
        attached = Attached(provider, read, takes)
        async for _ in attached.stream(ModelRequest("m", messages)):
            pass
        asked = provider.requests[0].messages
        return tuple(message for message in asked if isinstance(message, UserMessage))

    return run(main())


def test_images_and_documents_go_along_and_text_goes_into_the_message() -> None:
    files = (file("cat.png", PNG), file("paper.pdf", PDF), file("a.csv", b"1,2", "text/csv"))
    assert shown(UserMessage("Look:", "ann", files)) == (
        UserMessage(
            "Look:\n\n[file a.csv, text/csv]\n1,2\n[end of the file]",
            "ann",
            (attachment("cat.png", PNG), attachment("paper.pdf", PDF)),
        ),
    )


def test_a_text_file_is_shown_without_what_nobody_sees() -> None:
    files = (file("a\u202e.csv", "1,2\U000e0041\U000e0042".encode(), "text/csv"),)
    assert shown(UserMessage("", "ann", files)) == (
        UserMessage(f"[file a.csv, text/csv]\n1,2\n{NOTE}\n[end of the file]", "ann"),
    )


@pytest.mark.parametrize(
    ("files", "takes", "words"),
    [
        ((file("cat.png", PNG),), {"images": False}, "cat.png, image/png, 10 bytes: not shown, this model takes no im"),
        ((file("p.pdf", PDF),), {"documents": False}, "p.pdf, application/pdf, 9 bytes: not shown, this model takes n"),
        ((file("a.zip", b"PK\0", "application/zip"),), {}, "not shown, models cannot read such files"),
        ((Attachment("lost.png", "image/png", "f" * 64, 3),), {}, "not shown, it is not kept here"),
    ],
)
def test_what_a_model_cannot_see_is_named(files: tuple[Attachment, ...], takes: dict[str, bool], words: str) -> None:
    (message,) = shown(UserMessage("Look:", "", files), takes=lambda model, kind: takes.get(kind))
    assert message.attachments == ()
    assert words in message.text


def test_the_newest_files_come_first_when_they_are_too_many() -> None:
    half = PNG + bytes(MOST_BYTES // 2)
    old, new = file("old.png", half), file("new.png", half + b"1")
    first, second = shown(UserMessage("one", "", (old,)), UserMessage("two", "", (new,)))
    assert second.attachments[0].data == half + b"1"
    assert first.attachments == ()
    assert "old.png" in first.text


@pytest.mark.parametrize(
    "refusal",
    [ModelRejected("could not process image", status=400), ContextOverflow("could not process image", status=413)],
)
def test_a_file_that_the_vendor_refuses_does_not_end_the_conversation(refusal: ModelError) -> None:
    async def main() -> None:
        provider = ScriptedProvider([refusal, "I cannot see it."])
        request = ModelRequest("m", (UserMessage("Look", "", (file("cat.png", PNG),)),))
        items = [item async for item in Attached(provider, read, lambda model, kind: None).stream(request)]
        assert isinstance(items[0], StreamReset)
        assert isinstance(items[-1], AssistantMessage)
        assert items[-1].text == "I cannot see it."
        (message,) = provider.requests[1].messages
        assert isinstance(message, UserMessage)
        assert "the vendor refused it: could not process image" in message.text

    run(main())


@pytest.mark.parametrize(
    "error",
    [
        ModelRejected("no such model", status=404),
        ModelUnavailable("later"),
        ModelRejected("bad", status=400),
        ContextOverflow("too long", status=422),
    ],
)
def test_other_failures_are_passed_on(error: ModelError) -> None:
    async def main() -> list[Delta | StreamReset | AssistantMessage]:
        files = (file("cat.png", PNG),) if error.status != 400 else ()
        request = ModelRequest("m", (UserMessage("Look", "", files),))
        attached = Attached(ScriptedProvider([error, "never"]), read, lambda model, kind: None)
        return [item async for item in attached.stream(request)]

    with pytest.raises(type(error), match=error.message):
        run(main())
