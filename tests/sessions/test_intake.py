from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carapax.errors import InvalidRequest
from carapax.messages import Inbound, Sender
from carapax.sessions.intake import check_inbound


def inbound(text: str = "hello", **fields: Any) -> Inbound:
    return Inbound("web", fields.pop("conversation", ""), Sender(fields.pop("sender", "ann")), text, **fields)


@pytest.mark.parametrize("text", ["hello", "two\nlines\r\n\twith a tab", "naïve 你好 🦀", "a" * 100_000])
def test_what_people_write_may_enter(text: str) -> None:
    check_inbound(inbound(text), 100_000)


@pytest.mark.parametrize(
    ("message", "problem"),
    [
        (inbound(" \n\t"), "text is empty (say something)"),
        (inbound("a\x00b"), "text has the control character U+0000 at position 1 (take it out)"),
        (inbound("half \ud83d"), "text has the control character U+D83D at position 5 (take it out)"),
        (inbound("é" * 50_001), "text has 100002 bytes, more than 100000 (shorten it, or put it into a file)"),
        (inbound(sender="\x1b[2J"), "sender.id has the control character U+001B at position 0 (take it out)"),
        (inbound(conversation="x" * 257), "conversation has 257 characters, more than 256 (shorten it)"),
        (inbound(dedupe_key="\x7f"), "dedupe_key has the control character U+007F at position 0 (take it out)"),
    ],
)
def test_what_may_not_enter_is_named(message: Inbound, problem: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        check_inbound(message, 100_000)
    assert str(refused.value) == problem


@given(st.text(max_size=50))
def test_whatever_comes_is_taken_or_refused(text: str) -> None:
    try:
        check_inbound(inbound(text), 100)
    except InvalidRequest as refused:
        assert refused.hint
    else:
        assert text.strip() and "\x00" not in text
