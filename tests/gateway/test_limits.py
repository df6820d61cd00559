import pytest
from msgspec import Struct

from carapax.gateway.errors import TooLarge
from carapax.gateway.limits import check_text


class Send(Struct):
    text: str


@pytest.mark.parametrize(("text", "fits"), [("x" * 100, True), ("é" * 50, True), ("é" * 51, False), ("x" * 101, False)])
def test_a_text_is_measured_in_bytes(text: str, fits: bool) -> None:
    if fits:
        check_text(Send(text), 100)
    else:
        with pytest.raises(TooLarge):
            check_text(Send(text), 100)
