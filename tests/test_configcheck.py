"""What is wrong with a configuration beyond its types."""

import sys
from pathlib import Path

import pytest

from carapax.config import Home
from carapax.configcheck import check
from carapax.errors import ConfigError


def told(folder: Path, text: str) -> list[str]:
    """What is said of a configuration, a line each, without the file's name and the hints."""
    home = Home.resolve(folder, None, None, {})
    home.config_file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        check(home)
    lines = caught.value.message.split("\n")
    return [line.removeprefix(str(home.config_file)).split(" (")[0].split("; ")[0] for line in lines]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\n[tools.shel]\n", ":2: tools.shel: there is no tool 'shel'"),
        ('[agents.a]\nsandbox = "dokcer"\n', ":2: agents.a.sandbox: there is no sandbox 'dokcer'"),
        ("[sandboxes.dokcer]\n", ":1: sandboxes.dokcer: there is no sandbox 'dokcer'"),
        ("[channels.irc]\n", ":1: channels.irc: there is no channel 'irc'"),
        ('extra_tools = ["..", "os"]\n', ":1: extra_tools: there is no tool '..'"),
        ("[tools.shell]\ntimeout = 3\n", ":2: tools.shell.timeout: unknown key"),
        ("[tools.shell]\ntimeout_s = 0\n", ":2: tools.shell.timeout_s: expected `float` > 0.0"),
        (
            "[sandboxes.bubblewrap.limits]\nprocesses = true\n",
            ":2: sandboxes.bubblewrap.limits.processes: expected `int`, got `bool`",
        ),
        (
            '[channels."tests.fakes.live_channel"]\ngreeting = "http://me:pw@host"\n',
            ':2: channels."tests.fakes.live_channel".greeting: has a user or a password before the host: a secret does '
            "not belong here, give the address without it",
        ),
        ("[[policy.rules]]\n", ":1: policy.rules.1: the key 'verdict' is missing"),
        (
            '[[policy.rules]]\nverdict = "deny"\n[[policy.rules]]\nverdict = "deny"\ncomands = ["rm"]\n',
            ":5: policy.rules.2.comands: unknown key",
        ),
        ("[policy]\nrules = 3\n", ":2: policy.rules: expected tables, each beginning with [[policy.rules]]"),
        (
            '[[policy.rules]]\nverdict = "deny"\ncommands = ["a | b"]\n',
            ":3: policy.rules.1.commands: 'a | b' is more than one command, for it has |",
        ),
        (
            '[[policy.rules]]\nverdict = "deny"\ntool = "shel"\n',
            ":3: policy.rules.1.tool: the rule is about nothing, for there is no tool 'shel'",
        ),
        (
            '[[policy.rules]]\nverdict = "deny"\nagents = ["a"]\n',
            ":3: policy.rules.1.agents: the rule is about nothing, for there is no agent 'a'",
        ),
        (
            '[[policy.rules]]\nverdict = "deny"\narguments.command = "rm*"\n',
            ":3: policy.rules.1.arguments: a command line is not matched as a text: say it with commands",
        ),
        ('[user]\ntimezone = "Mars/Base"\n', ":2: user.timezone: there is no time zone 'Mars/Base'"),
        (
            "[models.gpt-5]\n",
            ':1: models.gpt-5: name the model as "provider/model", or "*" for those that nobody knows',
        ),
        ("[budget]\ndaily_usd = -1\n", ":2: budget.daily_usd: expected `float` >= 0.0"),
        ('[agents.a]\nmodel = "nobody/x"\n', ":2: agents.a.model: there is no provider 'nobody'"),
        ('[providers.p]\nvendor = "nobody"\n', ":1: providers.p: there is no vendor 'nobody'"),
        ("[providers.p]\n", ":1: providers.p: does not say where its server is"),
        (
            '[providers.p]\nbase_url = "http://x"\ndialect = "latin"\n',
            ":1: providers.p: there is no provider 'latin'",
        ),
        (
            '[providers.ollama]\naccent = { num_ctx = "x" }\n',
            ":2: providers.ollama.accent.num_ctx: expected `int`, got `str`",
        ),
        *(
            (
                f'[gateway]\nbehind_proxy = ["10.0.0.0/8", "{wide}", "fc00::/7"]\n',
                f":2: gateway.behind_proxy: '{wide}' takes half the world for your proxies, "
                "and anybody could say to be anybody: name their addresses",
            )
            for wide in ("0.0.0.0/0", "128.0.0.0/1", "::/0", "2000::/3", "2000::/7")
        ),
        ("[providers.openai]\naccent.nothing = 1\n", ":2: providers.openai.accent.nothing: unknown key"),
        ("[providers.tavily]\naccent.depth = 1\n", ":2: providers.tavily.accent.depth: unknown key"),
        (
            '[providers.tavily]\n[agents.a]\nmodel = "tavily/x"\n',
            ":3: agents.a.model: tavily has no models to talk to",
        ),
        ('[chains]\nfast = ["voyage"]\n', ":2: chains.fast: voyage has no models to talk to"),
        ("[chains]\nfast = []\n", ":2: chains.fast: the chain is empty: name at least one model"),
        ('[chains]\nfast = ["nobody/x"]\n', ":2: chains.fast: there is no provider 'nobody'"),
        ('[chains]\nfast = ["demo/a", "demo/a"]\n', ":2: chains.fast: 'demo/a' stands in the chain more than once"),
        (
            '[chains]\nfast = ["slow"]\nslow = ["demo"]\n',
            """:2: chains.fast: 'slow' is no model: a chain names models as "provider/model\"""",
        ),
        (
            '[chains]\nopenai = ["demo"]\n',
            ":2: chains.openai: 'openai' is the name of a provider: give the chain another one",
        ),
        ('[chains]\nauto = ["demo"]\n', ":2: chains.auto: 'auto' is no name for a chain"),
        ('[agents.a]\nmodel = "fast"\n', ":2: agents.a.model: there is no provider 'fast'"),
        ('[egress]\nallow = ["a", "*"]\n', ':2: egress.allow: "*" would open every place: name the places'),
        ('[agents.a.egress]\ndeny = ["a b"]\n', ":2: agents.a.egress.deny: 'a b' is neither a name nor a network"),
        (
            '[credentials.a]\nsecret = "provider:x"\n',
            ":1: credentials.a: secret: provider:x is a key that models are asked with, which no agent gets",
        ),
    ],
)
def test_what_cannot_be_used_is_named_with_its_place(tmp_path: Path, text: str, expected: str) -> None:
    assert told(tmp_path, text)[0] == expected


def test_a_provider_that_only_searches_or_embeds_may_be_configured(tmp_path: Path) -> None:
    home = Home.resolve(tmp_path, None, None, {})
    home.config_file.write_text(
        '[providers.voyage]\n[providers.tavily]\naccent = { search_depth = "advanced" }\n'
        '[providers.mine]\nvendor = "searxng"\nbase_url = "http://127.0.0.1:8888"\n'
    )
    assert list(check(home).providers) == ["voyage", "tavily", "mine"]


def test_an_agent_may_name_a_chain(tmp_path: Path) -> None:
    home = Home.resolve(tmp_path, None, None, {})
    home.config_file.write_text('[chains]\nfast = ["demo", "demo/other"]\n[agents.a]\nmodel = "fast"\n')
    assert check(home).chains == {"fast": ("demo", "demo/other")}


def test_wrong_types_hide_nothing_else_that_is_wrong(tmp_path: Path) -> None:
    text = '[log]\nlevel = 3\n[agents.a]\ntools = 1\nsandbox = "dokcer"\n[tools.shell]\ntimeout = 3\n'
    assert [line.split(": ")[1] for line in told(tmp_path, text)] == [
        "log.level",
        "agents.a.tools",
        "tools.shell.timeout",
        "agents.a.sandbox",
    ]


def test_a_key_of_an_extension_means_what_the_extension_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "ownmade").mkdir()
    (tmp_path / "ownmade" / "car.py").write_text("import msgspec\nclass Config(msgspec.Struct):\n    model: str = ''\n")
    home = Home.resolve(tmp_path, None, None, {})
    home.config_file.write_text('[channels."ownmade.car"]\nmodel = "T"\n')
    assert check(home).channels == {"ownmade.car": {"model": "T"}}
    for name in ("ownmade", "ownmade.car"):
        sys.modules.pop(name, None)
