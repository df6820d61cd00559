"""The commands by what they are for. Each says what it does and shows how, before any of it is imported."""

from typing import NamedTuple


class Told(NamedTuple):
    """A command in one sentence, and examples of it without the word `carapax`."""

    summary: str
    examples: tuple[str, ...]


PURPOSES: dict[str, dict[str, Told]] = {
    "The gateway": {
        "init": Told(
            "Set it up: a model, the agent, you.",
            ("init", "init --provider openai --key-stdin --yes < key", "init --agent-title Ada --user-name Sam"),
        ),
        "serve": Told("Start the gateway (what `carapax` alone does).", ("serve --open", "serve --port 8000")),
        "status": Told("Show on one screen how the gateway is.", ("status", "status --watch", "status --json")),
        "daemon": Told(
            "Have the system start the gateway, and keep it running.",
            ("daemon install", "daemon status", "daemon logs --follow", "daemon install --print"),
        ),
        "logs": Told(
            "Show what the gateway logged.", ("logs", "logs --follow --level warning", "logs --session ID --json")
        ),
        "update": Told(
            "Take another version of Carapax, and return to the one before.",
            ("update --check", "update", "update --to 0.2.0", "update --back"),
        ),
        "doctor": Told("Look for what is wrong, and say what to do.", ("doctor", "doctor --json")),
        "config": Told("Check and show the configuration.", ("config check", "config show", "config path")),
    },
    "Talking": {
        "chat": Told(
            "Talk to an agent.",
            ("chat", "chat -m 'what is new?'", "chat -m - < notes.txt", "chat --session ID --attach photo.png"),
        ),
        "agents": Told(
            "List the agents, and say who they are.",
            ("agents", "agents persona main", "agents persona main --edit", "agents persona main --stdin < persona.md"),
        ),
        "sessions": Told(
            "List, show, replay, fork, export and import sessions.",
            ("sessions list", "sessions show ID", "sessions fork ID --at 12", "sessions export ID -o session.jsonl"),
        ),
        "approvals": Told(
            "Answer what agents ask, and show and take back what was allowed for good.",
            ("approvals", "approvals allow LETTERS --scope session", "approvals deny LETTERS"),
        ),
        "vouch": Told(
            "Answer for files of a workspace, or for what a session has read.",
            ("vouch main notes.md", "vouch --session ID"),
        ),
        "stop-agents": Told(
            "End all that agents do, until they are released.", ("stop-agents 'too dear'", "stop-agents --release")
        ),
    },
    "Models and money": {
        "models": Told(
            "List models, and add, check and remove their providers.",
            ("models", "models add openai", "models check", "models --search sonnet"),
        ),
        "costs": Told("Show what models cost, and how the budgets stand.", ("costs", "costs --by model --days 7")),
    },
    "Access and safety": {
        "owner": Told(
            "The owner's setup code, password, passkeys and signed-in browsers.",
            ("owner code", "owner password", "owner passkeys", "owner signins --end-all"),
        ),
        "token": Told(
            "Create, list and revoke access tokens.",
            ("token create laptop", "token list", "token revoke ID"),
        ),
        "tls": Told(
            "Show how the port is encrypted, and have devices trust it.",
            ("tls", "tls ca > ca.pem", "tls trust --apply"),
        ),
        "tailscale": Told(
            "Show and change who reaches the gateway through Tailscale.",
            ("tailscale", "tailscale serve", "tailscale off"),
        ),
        "bans": Told(
            "List and lift the bans of those who showed too many wrong tokens.", ("bans", "bans --lift 203.0.113.7")
        ),
        "secrets": Told(
            "List, keep, remove and import what the vault keeps secret, and protect it.",
            ("secrets list", "secrets set openai", "secrets import .env --apply", "secrets protect --passphrase"),
        ),
        "policy": Told("Try the rules about what agents may do.", ("policy test 'git push'",)),
        "audit": Told(
            "Show who did what to the gateway, and whether that is as it was written.",
            ("audit", "audit --kind token --limit 20", "audit --verify"),
        ),
        "sandbox": Told(
            "List, build, clean and remove what the docker sandbox has on its engine.",
            ("sandbox list", "sandbox build", "sandbox clean"),
        ),
    },
    "The shell": {
        "completion": Told(
            "Print what makes the shell complete `carapax`.",
            ("completion bash > ~/.local/share/bash-completion/completions/carapax", "completion fish | source"),
        ),
    },
}
COMMANDS = {name: told for purpose in PURPOSES.values() for name, told in purpose.items()}
