"""The gateway in a tailnet."""

from pathlib import Path

import pytest

from carapax.errors import Conflict, Unavailable
from carapax.tailscale.tailscale import Tailscale, TailscaleStatus
from tests.fakes.tailscale import NAME, FakeTailscale
from tests.running import run

VERSION = "1.102.2-t6cac91817"


@pytest.fixture
def fake(tmp_path: Path) -> FakeTailscale:
    return FakeTailscale(tmp_path / "bin")


@pytest.fixture
def tailscale(fake: FakeTailscale) -> Tailscale:
    made = Tailscale(fake.environ)
    made.listens("127.0.0.1", 8000, encrypted=False)
    return made


def test_without_tailscale_there_is_a_remedy() -> None:
    tailscale = Tailscale({})
    told = run(tailscale.status())
    assert (told.installed, told.problem, told.remedy) == (
        False,
        "Tailscale is not installed",
        "https://tailscale.com/download",
    )
    with pytest.raises(Unavailable, match="not installed"):
        run(tailscale.configure("serve"))


def test_it_is_served_made_public_and_taken_back(fake: FakeTailscale, tailscale: Tailscale) -> None:
    served = run(tailscale.configure("serve"))
    assert served == TailscaleStatus(True, "Running", VERSION, NAME, "serve", f"https://{NAME}")
    assert tailscale.names == {NAME}
    assert run(tailscale.configure("funnel")).mode == "funnel"
    assert fake.serving["AllowFunnel"] == {f"{NAME}:443": True}
    assert run(tailscale.configure("serve")).mode == "serve"
    assert run(tailscale.configure("off")) == TailscaleStatus(True, "Running", VERSION, NAME)
    assert tailscale.names == frozenset()
    assert fake.serving == {}
    assert run(tailscale.configure("off")).mode == "off"


def test_a_port_with_tls_is_reached_with_tls(fake: FakeTailscale, tailscale: Tailscale) -> None:
    tailscale.listens("0.0.0.0", 8443, encrypted=True)
    run(tailscale.configure("serve"))
    assert fake.asked[2][-1] == "https+insecure://127.0.0.1:8443"


def test_an_address_that_this_machine_does_not_call_itself_is_refused(tailscale: Tailscale) -> None:
    tailscale.listens("192.168.0.7", 8000, encrypted=True)
    with pytest.raises(Conflict, match="does not listen on this machine's own address"):
        run(tailscale.configure("serve"))


@pytest.mark.parametrize("mode", ["serve", "funnel"])
def test_what_else_is_served_there_is_left_alone(fake: FakeTailscale, tailscale: Tailscale, mode: str) -> None:
    fake.serve({"/": {"Proxy": "http://127.0.0.1:3000"}})
    with pytest.raises(Conflict, match=f"https://{NAME} already serves http://127.0.0.1:3000"):
        run(tailscale.configure("serve" if mode == "serve" else "funnel"))
    assert run(tailscale.configure("off")).mode == "off"
    assert fake.serving["Web"][f"{NAME}:443"]["Handlers"] == {"/": {"Proxy": "http://127.0.0.1:3000"}}


def test_nothing_else_becomes_public_with_it(fake: FakeTailscale, tailscale: Tailscale) -> None:
    fake.serve({"/files": {"Path": "/srv"}})
    with pytest.raises(Conflict, match="also serves /files, which would become public"):
        run(tailscale.configure("funnel"))
    assert run(tailscale.configure("serve")).mode == "serve"
    run(tailscale.configure("off"))
    assert fake.serving["Web"][f"{NAME}:443"]["Handlers"] == {"/files": {"Path": "/srv"}}


@pytest.mark.parametrize(
    ("backend", "auth_url", "problem", "remedy"),
    [
        ("NeedsLogin", "https://login.tailscale.com/a/1", "not signed in", "https://login.tailscale.com/a/1"),
        ("NeedsLogin", "", "not signed in", "sudo tailscale up"),
        ("NeedsMachineAuth", "", "waits to be approved", "admin console"),
        ("Stopped", "", "not connected (Stopped)", "sudo tailscale up"),
    ],
)
def test_a_machine_that_is_not_connected_is_told_what_to_do(
    fake: FakeTailscale, tailscale: Tailscale, backend: str, auth_url: str, problem: str, remedy: str
) -> None:
    fake.be(backend, auth_url=auth_url)
    told = run(tailscale.status())
    assert (told.state, told.mode) == (backend, "off")
    assert problem in told.problem
    assert remedy in told.remedy
    with pytest.raises(Conflict) as refused:
        run(tailscale.configure("serve"))
    assert (refused.value.message, refused.value.hint) == (told.problem, told.remedy)


def test_a_tailnet_without_names_is_told(fake: FakeTailscale, tailscale: Tailscale) -> None:
    fake.be("Running", name="")
    assert "MagicDNS" in run(tailscale.status()).remedy


def test_a_command_that_does_nothing_is_noticed(fake: FakeTailscale, tailscale: Tailscale) -> None:
    fake.misbehave(serve="ignores")
    with pytest.raises(Unavailable, match="took the command and is not at 'serve'"):
        run(tailscale.configure("serve"))


def test_what_goes_wrong_stands_in_the_status(fake: FakeTailscale, tailscale: Tailscale) -> None:
    fake.misbehave(serve_status="denied")
    told = run(tailscale.status())
    assert told.installed
    assert "sudo tailscale set --operator=" in told.remedy
