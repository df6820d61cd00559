"""A `tailscale` command that keeps what is served in a file, and can misbehave.

Its answers have the shapes of the real one (`ipnstate.Status`, `ipn.ServeConfig`); its refusals are what the real one
says.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

NAME = "desk.tail1234.ts.net"
_PROGRAM = """#!{python} -SEI
import json, sys, time
from pathlib import Path

file = Path(__file__).with_name("tailscale.json")
state = json.loads(file.read_text())
words = sys.argv[1:]
with file.with_name("tailscale.log").open("a") as log:
    log.write(json.dumps(words) + "\\n")
fault = state["faults"].get(words[0] if words[1:2] != ["status"] else "serve status")
if fault == "slow":
    print("Serve is not enabled on your tailnet.\\nTo enable, visit:\\n")
    print("\\thttps://login.tailscale.com/f/serve?node=n1", flush=True)
    time.sleep(60)
if fault == "stuck":
    time.sleep(60)
if fault == "garbage":
    print("<html>")
    sys.exit(0)
if fault == "flood":
    sys.stdout.write("x" * 10_000_000)
    sys.exit(0)
if fault == "denied":
    sys.exit("sending serve config: Access denied: serve config denied\\n\\nUse 'sudo tailscale serve'.")
if fault == "down":
    sys.exit("failed to connect to local tailscaled; it doesn't appear to be running")
if fault == "fails":
    sys.exit(1)
if fault == "ignores":
    sys.exit(0)

def flag(name):
    return next((word.split("=", 1)[1] for word in words if word.startswith(f"--{name}=")), None)

name = state["status"]["Self"]["DNSName"].rstrip(".") if state["status"].get("Self") else ""
site = f"{name}:443"
serving = state["serving"]
if words[0] == "status":
    assert words == ["status", "--json", "--peers=false"], words
    print(json.dumps(state["status"], indent=2))
elif words == ["serve", "status", "--json"]:
    print(json.dumps(serving, indent=2))
elif words[-1] == "off":
    handlers = (serving or {}).get("Web", {}).get(site, {}).get("Handlers", {})
    if handlers.pop(flag("set-path") or "/", None) is None:
        sys.exit("error: failed to remove web serve: handler does not exist")
    if not handlers:
        serving = None
else:
    assert words[1:4] == ["--bg", "--yes", "--https=443"], words
    serving = serving or {"TCP": {"443": {"HTTPS": True}}, "Web": {site: {"Handlers": {}}}}
    serving["Web"][site]["Handlers"]["/"] = {"Proxy": words[4]}
    serving.pop("AllowFunnel", None)
    if words[0] == "funnel":
        serving["AllowFunnel"] = {site: True}
state["serving"] = serving
draft = file.with_suffix(".new")
draft.write_text(json.dumps(state))
draft.replace(file)
"""


class FakeTailscale:
    """The command in a folder that nothing else is in. `environ` finds it."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file = folder / "tailscale.json"
        self._log = folder / "tailscale.log"
        program = folder / "tailscale"
        program.write_text(_PROGRAM.replace("{python}", sys.executable))
        program.chmod(0o755)
        self.environ: Mapping[str, str] = {"PATH": str(folder)}
        self.be("Running")

    def be(self, backend: str, *, name: str = NAME, auth_url: str = "") -> None:
        """Its state, with nothing served."""
        node = {"ID": "n1", "HostName": "desk", "DNSName": f"{name}." if name else "", "Online": True}
        status = {
            "Version": "1.102.2-t6cac91817",
            "TUN": True,
            "BackendState": backend,
            "AuthURL": auth_url,
            "TailscaleIPs": ["100.101.102.103"] if backend == "Running" else None,
            "Self": node if backend == "Running" else None,
            "Health": [],
            "CertDomains": [name],
            "Peer": None,
        }
        self._file.write_text(json.dumps({"status": status, "serving": None, "faults": {}}))

    def serve(self, handlers: dict[str, dict[str, str]], *, public: bool = False) -> None:
        """Have something served at 443 already."""
        site = f"{NAME}:443"
        serving: dict[str, Any] = {"TCP": {"443": {"HTTPS": True}}, "Web": {site: {"Handlers": handlers}}}
        if public:
            serving["AllowFunnel"] = {site: True}
        self._change(serving=serving)

    def misbehave(self, **faults: str) -> None:
        """By command: "slow", "stuck", "garbage", "flood", "denied", "down", "fails", "ignores". `serve_status` is
        the one that shows what is served."""
        self._change(faults={name.replace("_", " "): fault for name, fault in faults.items()})

    @property
    def serving(self) -> dict[str, Any]:
        """What is served, empty where that is nothing."""
        return json.loads(self._file.read_text())["serving"] or {}

    @property
    def asked(self) -> list[list[str]]:
        """Every command that was run, without its name."""
        return [json.loads(line) for line in self._log.read_text().splitlines()] if self._log.exists() else []

    def _change(self, **parts: Any) -> None:
        self._file.write_text(json.dumps({**json.loads(self._file.read_text()), **parts}))
