"""What stands for a sandbox that cannot be had."""

from collections.abc import Awaitable, Callable

import pytest

from carapax.contracts import Sandbox
from carapax.errors import Unavailable
from carapax.sandboxes.absent import Absent
from tests.running import run

USES: list[Callable[[Sandbox], Awaitable[object]]] = [
    lambda sandbox: sandbox.exec(["true"], timeout_s=1, max_output=1),
    lambda sandbox: sandbox.read_file("a", 1),
    lambda sandbox: sandbox.write_file("a", b""),
    lambda sandbox: sandbox.list_files(".", recursive=False, max_entries=1),
]


@pytest.mark.parametrize("use", USES)
def test_every_use_is_refused_with_the_reason_and_the_remedy(use: Callable[[Sandbox], Awaitable[object]]) -> None:
    async def scene() -> None:
        await use(Absent(Unavailable("bubblewrap is not installed", "apt install bubblewrap")))

    with pytest.raises(Unavailable) as caught:
        run(scene())
    assert str(caught.value) == "bubblewrap is not installed (apt install bubblewrap)"
