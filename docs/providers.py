"""Writes docs/providers.md from the catalogue of vendors."""

from collections.abc import Iterator

from carapax.models.catalogue import Vendor, vendors

# What vendors do on their own servers and we never ask for, by dialect, each with the reason.
NOT_OFFERED: dict[str, tuple[str, ...]] = {
    "openai_responses": (
        "An answer that is made in the background, and asked for again until it is there: a run waits for its answer.",
    ),
}

_HEAD = """# Providers

Any of these works from one line: set the variable of its key, or keep the key in the vault with
`carapax models add NAME`, and name it as the model of an agent: `model = "groq"`, or with one of its models
`model = "groq/llama-3.3-70b-versatile"`. [models.md](models.md) says how a model is chosen and what happens when one
fails; `carapax models` lists what the configured vendors offer.

## Vendors

The key is that of the environment variable named here; the model for embeddings is what memory uses."""

_CONFIGURATION = """
## Configuration

Nothing needs to be configured for a vendor above whose key is set. A section says what is different:

```toml
[providers.openai]
default_model = "gpt-5.4"                    # what "openai" alone means

[providers.work]                             # a second account of the same vendor
vendor = "openai"
key_env = "WORK_OPENAI_KEY"

[providers.eu]                               # the same vendor elsewhere
vendor = "azure"
base_url = "https://our-resource.openai.azure.com"
default_model = "our-deployment"

[providers.lab]                              # a server that is in no catalogue
base_url = "http://10.0.0.5:9000"
dialect = "anthropic"                        # what it speaks; Chat Completions unless told otherwise
default_model = "our-model"
```

Each key is looked for in the vault first, then in the section, then in the environment; `carapax doctor` says where it
was found, never what it is. All keys of a section: [configuration](reference/configuration.md#providersname).

## Base URLs

A base URL may end with or without a slash, with or without the version path, and may be the whole address of an
endpoint: only what is missing is added. `https://api.z.ai`, `https://api.z.ai/api/paas/v4/` and
`https://api.z.ai/api/paas/v4/chat/completions` are the same. For a vendor of the catalogue the path of its row is what
is added, so that a proxy is named by its host alone; for a server of your own it is the version of its dialect, `/v1`.

Azure OpenAI is named by its resource, in `base_url` or AZURE_OPENAI_ENDPOINT: `https://our-resource.openai.azure.com`.
The older address of a deployment is taken too, with its query:
`https://our-resource.openai.azure.com/openai/deployments/NAME?api-version=2024-10-21`.

## Local servers

{local} are found on this machine without any configuration when they run at their usual port. On
another machine, or another port: `base_url = "http://10.0.0.5:8080"` in a section named after the server. They need a
key only if they were started with one.

## Logins

Some vendors know accounts instead of keys. `carapax models login NAME` signs in; what comes of it stands in the vault
and is renewed before it ends.

**copilot**: GitHub Copilot. You type a code at github.com/login/device. GitHub gives keys for its models to its own
programs only: the sign-in is made with the client id of GitHub's editor extension, and requests name that extension,
since GitHub answers nobody else. Whether your plan allows that is between you and GitHub. COPILOT_CLIENT_ID replaces
the client id; COPILOT_GITHUB_URL and COPILOT_GITHUB_API_URL name a GitHub Enterprise.

**codex**: OpenAI Codex with a ChatGPT account, by OAuth with PKCE. The browser comes back to port 1455 of this machine;
where it cannot, paste the address it shows in the end. The client id is that of OpenAI's own command line, since OpenAI
knows sign-ins to Codex only by that; requests say that they come from Carapax. CODEX_CLIENT_ID replaces it. Whoever has
signed in with `codex` needs no second sign-in: its `~/.codex/auth.json` is read whenever it changes, and never written.

**claude_code**: the token that the Claude Code command line has in `~/.claude/.credentials.json`, or that
`claude setup-token` has made for CLAUDE_CODE_OAUTH_TOKEN. The file is read whenever it changes and never written; the
token is not renewed here. Anthropic means these tokens for its own programs, does not permit them in others, and may
refuse requests with them or close the account. Carapax does not pretend to be Claude Code. It is never chosen by
itself; a key of the API (`anthropic`) is the way that always works.

**aws**: for `bedrock`, the access keys of the environment or of `~/.aws`, as Amazon's own tools find them.

## Tools for models without tools

Most models call tools in the way of their vendor. For one that cannot, `tools = "text"` in its section tells it of them
in words and reads its calls out of its text; `tools = "off"` tells it of none. {untooled} begin with
one of the two.

## litellm

For a vendor that is not above: `pip install 'carapax[litellm]'`, and name the model as
[litellm](https://docs.litellm.ai/docs/providers) does, after `litellm/`: `model = "litellm/replicate/meta/llama-4"`. It
takes 390 MB of disk, and two seconds and 130 MB of memory when it is first asked. Keys are those of the variables that
litellm looks for, or the section's. It cannot tell a stream that was cut from one that has ended.

## What is not offered

Vendors run some things on their own servers: search, code, files, agents. Carapax runs an agent's tools itself, where
you can see and stop them, and asks vendors for none of these. Where an answer has traces of them all the same, it is
read. Left out besides:
"""


def page() -> Iterator[str]:
    """The page, line by line."""
    rows = vendors()
    yield _HEAD
    yield "\n| name | speaks | default model | key or login | embeddings | note |"
    yield "| --- | --- | --- | --- | --- | --- |"
    yield from (_row(name, row) for name, row in rows.items())
    local = [f"{name} ({row.base_url.rpartition(':')[2]})" for name, row in rows.items() if row.local]
    untooled = [f"`{name}` ({row.tools})" for name, row in rows.items() if row.tools != "native"]
    text = _CONFIGURATION.replace("{local}", _listed(local)).replace("{untooled}", _listed(untooled))
    yield text.rstrip("\n")
    yield ""
    yield from (f"- {reason} (`{dialect}`)" for dialect, reasons in NOT_OFFERED.items() for reason in reasons)


def _row(name: str, row: Vendor) -> str:
    entry = f"`{row.key_env}`" if row.key_env else ""
    if row.login:
        entry = f"{entry} or login `{row.login}`" if entry else f"login `{row.login}`"
    if row.local:
        entry += " if it wants one"
    model = f"`{row.default_model}`" if row.default_model else "the first it has" if row.local else ""
    embeddings = f"`{row.default_embedding}`" if row.default_embedding else row.embedding and "to be named"
    cells = (f"`{name}`", row.dialect and f"`{row.dialect}`", model, entry, embeddings, row.note)
    return f"| {' | '.join(cells)} |"


def _listed(words: list[str]) -> str:
    return f"{', '.join(words[:-1])} and {words[-1]}"
