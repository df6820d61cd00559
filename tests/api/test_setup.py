from pathlib import Path
from typing import Any

from msgspec.structs import replace

from carapax.api.setup import Confinement, Known, confinement, sum_up
from carapax.config import AgentConfig, Config, GatewayConfig, UserConfig
from carapax.testing.gateway import gateway_client
from tests.running import run

KNOWN = Known("demo/demo", "nothing else answers", "", "", owner=False, finished=False, is_new=True)


def test_a_new_home_is_told_what_is_missing_until_somebody_has_finished(tmp_path: Path) -> None:
    (tmp_path / "carapax.toml").touch()
    config = Config(GatewayConfig(port=0), agents={"main": AgentConfig(sandbox="local", emoji="🦀")})

    async def scenario() -> tuple[dict[str, Any], dict[str, Any]]:
        async with gateway_client(config=config, home=tmp_path) as gateway:
            found, finished = await gateway.rpc("setup.status"), await gateway.rpc("setup.finish")
            assert await gateway.rpc("setup.status") == finished
            return found, finished

    found, finished = run(scenario())
    assert found == {
        "finished": False,
        "wanted": True,
        "missing": ["owner", "agent", "user"],
        "owner": False,
        "agent": "main",
        "title": "",
        "emoji": "🦀",
        "manner": "",
        "model": "scripted/model",
        "model_reason": found["model_reason"],
        "is_demo": False,
        "user": "",
        "timezone": "",
        "sandbox": {
            "kind": "local",
            "level": "none",
            "ok": True,
            "told": "Commands are not confined: they can do whatever the user of the gateway can.",
        },
        "channels": [],
    }
    assert finished == {**found, "finished": True, "wanted": False}


def test_it_is_not_offered_where_something_was_said_or_nothing_was_written_by_a_first_start(tmp_path: Path) -> None:
    async def wanted(home: Path) -> bool:
        async with gateway_client(["hello"], home=home) as gateway:
            first = (await gateway.rpc("setup.status"))["wanted"]
            await gateway.rpc("session.message", text="hi", wait=True)
            assert not (await gateway.rpc("setup.status"))["wanted"]
            return bool(first)

    assert run(wanted(tmp_path / "bare")) is False
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "carapax.toml").touch()
    assert run(wanted(tmp_path / "new")) is True


def test_what_is_done_is_not_missing() -> None:
    config = Config(agents={"main": AgentConfig(title="Ada", sandbox="local")}, user=UserConfig("Sam"))
    done = replace(KNOWN, model="openai/gpt-5", owner=True)
    assert (sum_up(config, done).missing, sum_up(config, done).wanted) == ((), False)
    assert sum_up(config, replace(done, sandbox_problem="no bubblewrap")).missing == ("sandbox",)
    assert sum_up(Config(user=UserConfig("Sam")), replace(done, title="Ada")).missing == ()
    assert sum_up(Config(), KNOWN).missing == ("owner", "model", "agent", "user")


def test_a_sandbox_is_told_in_plain_words() -> None:
    told = {level: confinement("docker", {"level": level}, "").told for level in ("strict", "relaxed")}
    assert told["strict"].endswith("and reach no network.")
    assert told["relaxed"].endswith("and reach the web through a proxy of the gateway.")
    broken = "bwrap is missing (apt install bubblewrap)"
    assert confinement("bubblewrap", {}, broken) == Confinement("bubblewrap", "strict", False, broken)
