"""The configuration: `carapax.toml` as types, and one raw section for each extension.

Every field has its meaning in the docstring of its type, one `name: meaning` line each; the commented file of a new
home and the reference page are generated from them.
"""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

from carapax.events import QueueMode
from carapax.messages import Effort

Port = Annotated[int, Meta(ge=0, le=65535)]
Positive = Annotated[int, Meta(gt=0)]
PositiveSeconds = Annotated[float, Meta(gt=0)]


class GatewayConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """The door.

    host: address to listen on; anything but a loopback address needs a token to exist
    port: port to listen on; first start picks a free one and writes it here; 0 takes any free one at every start
    allowed_hosts: names besides the address itself under which the gateway may be called
    allowed_origins: web origins besides the gateway's own whose pages may call it
    """

    host: str = "127.0.0.1"
    port: Port = 0
    allowed_hosts: tuple[str, ...] = ()
    allowed_origins: tuple[str, ...] = ()


def is_loopback(host: str) -> bool:
    """Whether a host, without port and brackets, is this machine and nobody else can reach it."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class LimitsConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """What the gateway takes before it refuses.

    message_bytes: longest text of one message, through whatever door
    body_bytes: longest request body
    json_depth: deepest nesting of JSON
    header_timeout_s: time for a client to send its request's headers
    body_timeout_s: time for a client to send a request body of up to 64 KB; longer ones get more in proportion
    anonymous_per_minute: API calls a minute and address without a token, once tokens exist
    authenticated_per_minute: API calls a minute for one token, or for this machine while no token exists
    static_per_minute: requests a minute and address for the files of the web page
    socket_frame_bytes: longest WebSocket frame
    socket_message_bytes: longest WebSocket message
    socket_text_bytes: longest text of one message over a WebSocket, where that is less
    socket_messages_per_minute: session messages a minute over one WebSocket
    socket_pong_timeout_s: a WebSocket without a sign of life for this long is dropped
    socket_queue: events that wait for a slow WebSocket before it is dropped; it resumes where it was
    sockets: WebSockets, streams and calls open at the same time, before another WebSocket is refused
    queued_messages: messages that may wait in one session before another is refused
    """

    message_bytes: Positive = 100_000
    body_bytes: Positive = 1_000_000
    json_depth: Positive = 32
    header_timeout_s: PositiveSeconds = 10
    body_timeout_s: PositiveSeconds = 10
    anonymous_per_minute: Positive = 60
    authenticated_per_minute: Positive = 60_000
    static_per_minute: Positive = 6_000
    socket_frame_bytes: Positive = 65_536
    socket_message_bytes: Positive = 262_144
    socket_text_bytes: Positive = 32_768
    socket_messages_per_minute: Positive = 30
    socket_pong_timeout_s: PositiveSeconds = 90
    socket_queue: Positive = 1024
    sockets: Positive = 10_000
    queued_messages: Positive = 256


class AgentConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """One agent.

    description: what the agent is for, shown to people
    model: "provider/model", or "auto" for the first provider that is found, else the offline demo
    persona: text that goes before everything else the model is told
    tools: names of the tools the agent may use; "*" matches any part of a name
    sandbox: where its tools run: a sandbox by name
    queue: what a message does that arrives during a run: "steer" it, wait for the next ("followup"), or be gathered
    max_iterations: model answers in one run
    max_seconds: wall clock of one run
    max_output_tokens: longest answer of the model; 0 leaves it to the vendor, or is 8,192 where it wants to be told
    context_tokens: tokens the model takes in one request, near which the history is shortened; 0 assumes 128,000
    temperature: sampling temperature; absent leaves it to the vendor
    effort: how hard the model thinks, where it can
    """

    description: str = ""
    model: str = "auto"
    persona: str = ""
    tools: tuple[str, ...] = ("*",)
    sandbox: str = "bubblewrap"
    queue: QueueMode = "steer"
    max_iterations: Positive = 25
    max_seconds: PositiveSeconds = 600
    max_output_tokens: Annotated[int, Meta(ge=0)] = 0
    context_tokens: Annotated[int, Meta(ge=0)] = 0
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    effort: Effort = "off"


class ProviderConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """A vendor of models under a name of your own; a vendor of the catalogue needs no section if its key is set.

    vendor: a name of the catalogue, for what is not set here; empty for a server of your own
    dialect: the language the server speaks: "openai_chat" or "anthropic"
    base_url: where it is, with or without the version path
    key_env: the environment variable that holds the key; empty for none
    default_model: the model when none is named
    connect_timeout_s: time to reach the server
    idle_timeout_s: longest silence of the server, also before its first word
    """

    vendor: str = ""
    dialect: str = ""
    base_url: str = ""
    key_env: str = ""
    default_model: str = ""
    connect_timeout_s: PositiveSeconds = 10
    idle_timeout_s: PositiveSeconds = 120


class EgressConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """Where tools may go besides public addresses.

    allow: names, addresses and networks, such as "wiki.lan", "10.1.2.3", "10.0.0.0/8"; a name may use any port
    """

    allow: tuple[str, ...] = ()


class LogConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """What is logged to standard error.

    level: "debug", "info", "warning" or "error"
    """

    level: Literal["debug", "info", "warning", "error"] = "info"


class Config(Struct, frozen=True, forbid_unknown_fields=True):
    """All of `carapax.toml`. There is always an agent; the first one is the default.

    gateway: the door
    limits: what the gateway takes before it refuses
    log: what is logged
    egress: where tools may go besides public addresses
    agents: one table for each agent
    providers: one table for each vendor of models that needs settings
    channels: one table for each chat platform, as its page says; a name or a dotted module path
    tools: settings of single tools, as their pages say
    extra_tools: dotted module paths of tools that are not ours
    sandboxes: settings of single sandboxes, as their pages say
    """

    gateway: GatewayConfig = GatewayConfig()
    limits: LimitsConfig = LimitsConfig()
    log: LogConfig = LogConfig()
    egress: EgressConfig = EgressConfig()
    agents: dict[str, AgentConfig] = field(default_factory=lambda: {"main": AgentConfig()})
    providers: dict[str, ProviderConfig] = {}
    channels: dict[str, dict[str, Any]] = {}
    tools: dict[str, dict[str, Any]] = {}
    extra_tools: tuple[str, ...] = ()
    sandboxes: dict[str, dict[str, Any]] = {}


@dataclass(frozen=True, slots=True)
class Home:
    """Where a gateway keeps its configuration and its data; both folders are private to the user."""

    config_dir: Path
    data_dir: Path

    @classmethod
    def resolve(
        cls, home: Path | None, config_dir: Path | None, data_dir: Path | None, environ: Mapping[str, str]
    ) -> "Home":
        """`home` (else `CARAPAX_HOME`, else `~/.carapax`) holds both, unless the two are named apart."""
        base = home or Path(environ.get("CARAPAX_HOME") or Path.home() / ".carapax")
        return cls((config_dir or base).absolute(), (data_dir or base / "data").absolute())

    @property
    def config_file(self) -> Path:
        return self.config_dir / "carapax.toml"

    @property
    def database_file(self) -> Path:
        return self.data_dir / "carapax.db"

    @property
    def workspaces(self) -> Path:
        """One folder for each agent."""
        return self.data_dir / "workspaces"

    @property
    def run_file(self) -> Path:
        """What a running gateway says of itself to commands of the same user: address, process, token."""
        return self.data_dir / "run" / "gateway.json"

    @property
    def lock_file(self) -> Path:
        return self.data_dir / "run" / "lock"
