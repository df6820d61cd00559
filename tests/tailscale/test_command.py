"""What the command line of Tailscale is asked, and what becomes of its answers."""

from pathlib import Path

import pytest

from carapax.errors import Unavailable
from carapax.tailscale.command import Command, find_program
from tests.fakes.tailscale import NAME, FakeTailscale
from tests.running import run


def command(fake: FakeTailscale, limit_s: float = 10) -> Command:
    program = find_program(fake.environ)
    assert program is not None
    return Command(program, fake.environ, limit_s)


def test_a_machine_without_it_has_none(tmp_path: Path) -> None:
    assert find_program({"PATH": str(tmp_path)}) is None
    assert find_program({}) is None


def test_its_status_is_read(tmp_path: Path) -> None:
    status = run(command(FakeTailscale(tmp_path)).status())
    assert (status.backend, status.name, status.version) == ("Running", NAME, "1.102.2-t6cac91817")


def test_what_is_served_is_read_also_when_that_is_nothing(tmp_path: Path) -> None:
    fake = FakeTailscale(tmp_path)
    assert run(command(fake).serving()).handlers(NAME) == {}
    fake.serve({"/": {"Proxy": "http://127.0.0.1:1"}, "/files": {"Path": "/srv"}}, public=True)
    serving = run(command(fake).serving())
    assert [serving.handlers(NAME)[path].proxy for path in ("/", "/files")] == ["http://127.0.0.1:1", ""]
    assert serving.is_public(NAME)


def test_arguments_are_arguments_and_no_shell_sees_them(tmp_path: Path) -> None:
    fake = FakeTailscale(tmp_path)
    run(command(fake).serve("http://127.0.0.1:1; touch x", public=False))
    assert fake.asked == [["serve", "--bg", "--yes", "--https=443", "http://127.0.0.1:1; touch x"]]


@pytest.mark.parametrize(
    ("fault", "said", "remedy"),
    [
        ("garbage", "answers what is not known here", "tailscale version"),
        ("flood", "answers what is not known here", "tailscale version"),
        ("denied", "lets only root", "sudo tailscale set --operator="),
        ("down", "does not run on this machine", "systemctl start tailscaled"),
        ("fails", "`tailscale status --json` failed", "run it yourself"),
    ],
)
def test_what_goes_wrong_comes_with_a_remedy(tmp_path: Path, fault: str, said: str, remedy: str) -> None:
    fake = FakeTailscale(tmp_path)
    fake.misbehave(status=fault)
    with pytest.raises(Unavailable) as refused:
        run(command(fake).status())
    assert said in refused.value.message
    assert remedy in refused.value.hint


def test_what_waits_for_a_person_is_ended_when_it_has_said_the_address_to_visit(tmp_path: Path) -> None:
    fake = FakeTailscale(tmp_path)
    fake.misbehave(serve="slow")
    with pytest.raises(Unavailable) as refused:
        run(command(fake, limit_s=60).serve("http://127.0.0.1:1", public=False))
    assert refused.value.hint == "enable it: https://login.tailscale.com/f/serve?node=n1"


def test_what_is_stuck_is_ended(tmp_path: Path) -> None:
    fake = FakeTailscale(tmp_path)
    fake.misbehave(status="stuck")
    with pytest.raises(Unavailable, match="did not end within"):
        run(command(fake, limit_s=0.3).status())


def test_a_program_that_cannot_be_started_is_named(tmp_path: Path) -> None:
    broken = tmp_path / "tailscale"
    broken.write_text("#!/no/such/interpreter\n")
    broken.chmod(0o755)
    with pytest.raises(Unavailable, match="cannot be started"):
        run(Command(str(broken), {}).status())
