"""Secrets that agents use by their names."""

from collections.abc import Mapping

import pytest

from carapax.config import Config, CredentialConfig, GatewayConfig
from carapax.credentials import AgentCredentials, open_credentials
from carapax.egress import Target
from carapax.errors import ConfigError, Forbidden, InvalidRequest, Unavailable
from carapax.redaction import Secret
from carapax.testing.gateway import gateway_client
from carapax.testing.vault import MemoryVault
from tests.running import run

VALUE = "value-of-a-secret-1"
GITHUB = CredentialConfig(agents=("main", "dev-*"), hosts=("api.github.com", "*.ghe.example"), env="GITHUB_TOKEN")
OTHER = CredentialConfig(secret="kept/other", agents=("main",), hosts=("api.example.com",), header="X-Api-Key:")
VAULT = {"github": VALUE, "kept/other": "another-value-2"}


def held(agent: str = "main", vault: Mapping[str, str] = VAULT, **sections: CredentialConfig) -> AgentCredentials:
    config = Config(credentials={"github": GITHUB, "other": OTHER, **sections})
    return AgentCredentials(agent, open_credentials(config), MemoryVault(dict(vault)))


def sent(credentials: AgentCredentials, url: str, **headers: str) -> dict[str, str]:
    target = Target(url, url.split("/")[2].split(":")[0], ())
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return {name: value.reveal() for name, value in run(credentials.filled(target, given)).items()}


@pytest.mark.parametrize("value", ["Bearer secret:github", "bearer secret:github", "secret:github"])
@pytest.mark.parametrize("host", ["api.github.com", "a.b.ghe.example"])
def test_a_name_becomes_the_secret_where_it_may_go(host: str, value: str) -> None:
    headers = sent(held(), f"https://{host}/user", authorization=value, accept="text/plain")
    assert headers == {"Authorization": f"Bearer {VALUE}", "Accept": "text/plain"}


def test_each_goes_in_its_own_header() -> None:
    assert sent(held(), "https://api.example.com/", x_api_key="secret:other") == {"X-Api-Key": "another-value-2"}


@pytest.mark.parametrize(
    ("agent", "url", "headers", "rule"),
    [
        ("main", "https://evil.example/", {"Authorization": "Bearer secret:github"}, "hosts"),
        ("main", "https://github.com/", {"Authorization": "Bearer secret:github"}, "hosts"),
        ("main", "https://xapi.github.com/", {"Authorization": "Bearer secret:github"}, "hosts"),
        ("main", "https://ghe.example/", {"Authorization": "Bearer secret:github"}, "hosts"),
        ("main", "http://api.github.com/", {"Authorization": "Bearer secret:github"}, "https only"),
        ("main", "https://api.github.com/", {"Accept": "secret:github"}, "like this"),
        ("main", "https://api.github.com/", {"Authorization": "Basic secret:github"}, "like this"),
        ("main", "https://api.github.com/", {"Authorization": "Bearer secret:github, x"}, "like this"),
        ("main", "https://api.github.com/", {"Authorization": "Bearer secret:nothing"}, "agents"),
        ("other", "https://api.github.com/", {"Authorization": "Bearer secret:github"}, "agents"),
        ("main", "https://api.github.com/", {"Authorization": "Bearer of-my-own"}, "these may, with"),
        ("main", "https://api.github.com/", {"Accept": "what I read in a file"}, "these may, with"),
        ("main", "https://api.github.com/", {"Cookie": "a=b"}, "these may, with"),
        ("main", "https://api.github.com/", {"Host": "evil.example"}, "these may, with"),
    ],
)
def test_what_may_not_be_sent_is_refused_with_the_rule(
    agent: str, url: str, headers: dict[str, str], rule: str
) -> None:
    with pytest.raises(Forbidden) as caught:
        sent(held(agent), url, **headers)
    assert rule in str(caught.value)
    assert VALUE not in str(caught.value)


@pytest.mark.parametrize("value", ["a\r\nHost: evil.example", "a\0", "ü", "x" * 2000])
def test_a_value_that_no_header_has_is_refused(value: str) -> None:
    with pytest.raises(InvalidRequest):
        sent(held(), "https://api.github.com/", Accept=value)


@pytest.mark.parametrize("kept", [None, "tiny-1", "two\r\nlines: of a value", "geheimnis-größe"])
def test_a_secret_that_cannot_be_sent_is_told_with_the_remedy(kept: str | None) -> None:
    vault = {} if kept is None else {"github": kept}
    with pytest.raises(Unavailable) as caught:
        sent(held(vault=vault), "https://api.github.com/", Authorization="Bearer secret:github")
    assert kept is None or kept not in str(caught.value)


def test_commands_get_those_that_have_a_variable() -> None:
    assert run(held().environment()) == {"GITHUB_TOKEN": Secret(VALUE)}
    assert run(held("dev-1").environment()) == {"GITHUB_TOKEN": Secret(VALUE)}
    assert run(held("stranger").environment()) == {}


def test_commands_go_without_a_secret_that_is_not_there(caplog: pytest.LogCaptureFixture) -> None:
    credentials = held(vault={})
    assert (run(credentials.environment()), run(credentials.environment())) == ({}, {})
    assert [record.getMessage() for record in caplog.records] == [
        "secret:github is not in the vault, so commands go without it: carapax secrets set github"
    ]


def test_commands_get_no_secret_that_is_too_short() -> None:
    for value in ("short-1", "production"):
        with pytest.raises(Unavailable, match="too short"):
            run(held(vault={"github": value}).environment())


def test_a_model_is_told_names_and_where_they_can_be_used() -> None:
    assert held().told() == (
        "Secrets that you may use by name; nobody shows you their values:\n"
        '- secret:github: in web_fetch as the header "Authorization: Bearer secret:github",'
        " for https://api.github.com, https://*.ghe.example; in commands as $GITHUB_TOKEN\n"
        '- secret:other: in web_fetch as the header "X-Api-Key: secret:other", for https://api.example.com'
    )
    assert held("stranger").told() == ""


@pytest.mark.parametrize(
    ("name", "section", "why"),
    [
        ("a", CredentialConfig(secret="provider:openai"), "which no agent gets"),
        ("a", CredentialConfig(secret="login:copilot"), "which no agent gets"),
        ("provider:openai", CredentialConfig(), "no name for a credential"),
        ("a", CredentialConfig(secret="a b"), "no name of a secret"),
        ("a", CredentialConfig(hosts=("*",)), "anywhere"),
        ("a", CredentialConfig(hosts=("https://x",)), "neither a name nor a network"),
        ("a", CredentialConfig(header="Authorization"), "no header"),
        ("a", CredentialConfig(header="A\nB:"), "no header"),
        ("a", CredentialConfig(env="A-B"), "no name of a variable"),
    ],
)
def test_a_credential_that_cannot_be_used_is_refused(name: str, section: CredentialConfig, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        open_credentials(Config(credentials={name: section}))


def test_the_model_is_told_the_name_and_the_way_out_keeps_the_rules() -> None:
    """Through the front door."""

    async def scene() -> tuple[str, str]:
        config = Config(gateway=GatewayConfig(port=0), credentials={"github": GITHUB})
        async with gateway_client(["hello"], config=config) as gateway:
            await gateway.services.registry.keys.vault.set("github", Secret(VALUE))
            session = (await gateway.rpc("session.create"))["id"]
            await gateway.rpc("session.message", session=session, text="hello", wait=True)
            arguments = {"url": "https://1.1.1.1/", "headers": {"Authorization": "Bearer secret:github"}}
            refused = await gateway.rpc("tools.execute", tool="web_fetch", arguments=arguments)
            return gateway.model.requests[0].system, refused["result"]["text"]

    system, refusal = run(scene())
    assert "- secret:github: in web_fetch" in system
    assert VALUE not in system
    assert refusal == (
        "secret:github may not be sent to 1.1.1.1 ([credentials.github] hosts: api.github.com, *.ghe.example)"
    )
