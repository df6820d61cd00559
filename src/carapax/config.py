"""The configuration: `carapax.toml` as types, and one raw section for each extension.

Every field has its meaning in the docstring of its type, one `name: meaning` line each; the commented file of a new
home and the reference page are generated from them.
"""

import ipaddress
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

from carapax.events import QueueMode
from carapax.home import Home as Home
from carapax.messages import Effort
from carapax.redaction import Secret

Port = Annotated[int, Meta(ge=0, le=65535)]
Positive = Annotated[int, Meta(gt=0)]
PositiveSeconds = Annotated[float, Meta(gt=0)]
Amount = Annotated[float, Meta(ge=0, le=1e9)]
Tokens = Annotated[int, Meta(ge=0, le=1_000_000_000)]
_LINE = r"^[^\x00-\x1f\x7f]*(?![\s\S])"  # a `$` would let a line end stand last
Called = Annotated[str, Meta(max_length=80, pattern=_LINE)]


class GatewayConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """Where the gateway listens, and which pages and proxies it believes.

    host: address to listen on; anything but a loopback address needs a passkey, a password or a token to exist
    port: port to listen on; first start picks a free one and writes it here; 0 takes any free one at every start
    allowed_hosts: names besides the address itself under which the gateway may be called
    allowed_origins: web origins besides the gateway's own whose pages may call it
    behind_proxy: addresses or networks of proxies whose forwarding headers are believed; nobody else's are
    """

    host: str = "127.0.0.1"
    port: Port = 0
    allowed_hosts: tuple[str, ...] = ()
    allowed_origins: tuple[str, ...] = ()
    behind_proxy: tuple[str, ...] = ()


class TlsConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """Encryption of the gateway's own port.

    mode: "auto" encrypts where others can reach the address and no proxy is named in gateway.behind_proxy, or where
        `cert` is set; "on"; "off" for plain HTTP
    cert: file of a certificate of your own, PEM, those that vouch for it after it; empty for one the gateway makes
    key: file of its key, PEM without a passphrase; empty if it is in the same file
    names: names and addresses that the gateway's own certificate is for besides those of this machine
    """

    mode: Literal["auto", "on", "off"] = "auto"
    cert: str = ""
    key: str = ""
    names: tuple[str, ...] = ()


class TailscaleConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """Who reaches the gateway through Tailscale.

    mode: "serve" for the machines of your tailnet, "funnel" for everybody on the internet, "off" for nobody
    reset_on_exit: true to have nobody reach it there when the gateway has ended
    """

    mode: Literal["off", "serve", "funnel"] = "off"
    reset_on_exit: bool = False


def is_loopback(host: str) -> bool:
    """Whether a host, without port and brackets, is this machine and nobody else can reach it."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def is_public(config: GatewayConfig) -> bool:
    """Whether others than this machine can reach the gateway."""
    return not is_loopback(config.host) or bool(config.behind_proxy)


class LimitsConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """What the gateway takes before it refuses.

    message_bytes: longest text of one message, through whatever door
    body_bytes: longest request body
    attachment_bytes: longest file that may come with a message
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
    person_messages_per_minute: messages a minute of one person of a channel, or one token, that is no owner's
    """

    message_bytes: Positive = 100_000
    body_bytes: Positive = 1_000_000
    attachment_bytes: Positive = 50_000_000
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
    person_messages_per_minute: Positive = 30


class ReachConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """Where the tools of one agent may go: names, addresses and networks. "*.example.com" stands for every name below
    example.com, and "*" for every place. Addresses that are not public are for `[egress]` to allow.

    hosts: the only places
    deny: places that are left out of these
    """

    hosts: tuple[str, ...] = ("*",)
    deny: tuple[str, ...] = ()


class AgentConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """Who answers: its model, its manner, its tools, and where they run.

    title: what people call it; empty for its first heading in `agents/NAME/persona.md`, else the name of its table
    emoji: one that stands for it
    manner: how it talks to people, such as "brief and dry"
    description: what the agent is for, shown to people
    model: "provider/model", the name of a chain, or "auto" for the first provider that is found, else the offline demo
    persona: text that goes before everything else the model is told, while there is no `agents/NAME/persona.md`
    tools: names of the tools the agent may use; "*" matches any part of a name
    sandbox: where its tools run: a sandbox by name
    egress: where its tools may go
    queue: what a message does that arrives during a run: "steer" it, wait for the next ("followup"), or be gathered
    max_iterations: model answers in one run
    max_seconds: wall clock of one run
    max_output_tokens: longest answer of the model; 0 leaves it to the vendor, or is 8,192 where it wants to be told
    context_tokens: tokens the model takes in one request, near which the history is shortened; 0 for what is known
    temperature: sampling temperature; absent leaves it to the vendor
    effort: how hard the model thinks, where it can
    daily_usd: US dollars that this agent may spend on models in a day; 0 means none, absent means no limit of its own
    monthly_usd: the same for a calendar month
    """

    title: Called = ""
    emoji: Annotated[str, Meta(max_length=16, pattern=_LINE)] = ""
    manner: Annotated[str, Meta(max_length=2000)] = ""
    description: str = ""
    model: str = "auto"
    persona: str = ""
    tools: tuple[str, ...] = ("*",)
    sandbox: str = "bubblewrap"
    egress: ReachConfig = ReachConfig()
    queue: QueueMode = "steer"
    max_iterations: Positive = 25
    max_seconds: PositiveSeconds = 600
    max_output_tokens: Annotated[int, Meta(ge=0)] = 0
    context_tokens: Annotated[int, Meta(ge=0)] = 0
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    effort: Effort = "off"
    daily_usd: Amount | None = None
    monthly_usd: Amount | None = None


class BudgetConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """What all agents together may spend on models. Days and months begin in the time zone of the user.

    daily_usd: US dollars a day; 0 means that none may be spent, absent means that there is no limit
    monthly_usd: the same for a calendar month
    """

    daily_usd: Amount | None = None
    monthly_usd: Amount | None = None


class UserConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """The person this gateway works for.

    name: what agents call them
    timezone: where days and months begin, such as "Europe/Berlin"; empty for the time zone of this machine
    """

    name: Called = ""
    timezone: str = ""


class ModelConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """What is known of one model, before what the table of facts says. The model "*" stands for those that the table
    does not know.

    input_usd: US dollars for a million tokens of the prompt
    output_usd: US dollars for a million tokens of the answer
    cache_read_usd: US dollars for a million tokens that were read from the vendor's prompt cache
    cache_write_usd: US dollars for a million tokens that were written to it
    context_tokens: tokens the model takes in one request
    output_tokens: longest answer of the model
    images: whether it takes images
    documents: whether it takes documents such as PDF
    """

    input_usd: Amount | None = None
    output_usd: Amount | None = None
    cache_read_usd: Amount | None = None
    cache_write_usd: Amount | None = None
    context_tokens: Tokens | None = None
    output_tokens: Tokens | None = None
    images: bool | None = None
    documents: bool | None = None


class UpdateConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """Where newer versions of Carapax come from.

    url: the index of releases that `carapax update` reads, by https or from a file; empty for none
    """

    url: str = ""


class FactsConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """Where the facts and prices of models come from.

    url: what `carapax models refresh` fetches
    """

    url: str = "https://models.dev/api.json"


class ProviderConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """A vendor of models under a name of your own; a vendor of the catalogue needs no section if its key is set.

    vendor: a name of the catalogue, for what is not set here; empty for a server of your own
    dialect: the language the server speaks, such as "openai_chat" or "anthropic"; a name or a dotted module path
    base_url: where it is, with or without the version path
    key: the key itself; better kept in the vault with `carapax models add`, which counts before it
    key_env: the environment variable that holds the key, where neither the vault nor `key` does; empty for none
    default_model: the model when none is named
    tools: "native", "text" for models that know of no tools and are told of them in words, "off" to send none; empty
        for what is known of the vendor
    accent: settings of the dialect, as its page says, over what is known of the vendor
    connect_timeout_s: time to reach the server
    idle_timeout_s: longest silence of the server, also before its first word
    """

    vendor: str = ""
    dialect: str = ""
    base_url: str = ""
    key: Secret = Secret("")
    key_env: str = ""
    default_model: str = ""
    tools: Literal["", "native", "text", "off"] = ""
    accent: dict[str, Any] = {}
    connect_timeout_s: PositiveSeconds = 10
    idle_timeout_s: PositiveSeconds = 120


class EgressConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """Where tools may go besides public addresses.

    allow: names, addresses and networks, such as "wiki.lan", "10.1.2.3", "10.0.0.0/8"; a name may use any port
    """

    allow: tuple[str, ...] = ()


class DoorConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """Who speaks through a channel; others are strangers. Callers with a token are who it says, this machine an owner.

    owners: ids of people, as the channel has them, who give orders and say yes
    known: ids of people who give orders
    injection: what is done about messages of others than owners that look like orders: "flag", "reject" or "off"
    """

    owners: tuple[str, ...] = ()
    known: tuple[str, ...] = ()
    injection: Literal["flag", "reject", "off"] = "flag"


class CredentialConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """A secret that agents use by its name, `secret:NAME`, and never see. None has it before `agents` names it, and
    it goes nowhere before `hosts` or `env` says so.

    secret: its name in the vault; empty for the name of the table
    agents: names of the agents that may use it; "*" matches any part of a name
    hosts: where it may be sent, by https only: names, or "*.example.com" for every name below example.com
    header: how it is sent: the header, a colon, and what stands before the value
    env: the variable in which commands of these agents get it; empty for none
    """

    secret: str = ""
    agents: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    header: str = "Authorization: Bearer"
    env: str = ""


class RuleConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """A rule about calls of tools. It is about those that fit all it says; of all rules "deny" goes before "ask" before
    "allow".

    verdict: "allow", "ask" a person, or "deny"
    tool: the name of the tool; "*" stands for any text in it
    commands: patterns of commands, such as "git log **", for calls with a command line: "*" stands for any text in a
        word, "**" for any number of words
    arguments: patterns of other arguments by their names, in which "*" stands for any text
    agents: names of the agents, in which "*" stands for any text
    tainted: true only when the session has read what others wrote, false only when it has not, absent for both
    reason: what is told to people and to the model
    """

    verdict: Literal["allow", "ask", "deny"]
    tool: str = "*"
    commands: tuple[str, ...] = ()
    arguments: dict[str, str] = {}
    agents: tuple[str, ...] = ("*",)
    tainted: bool | None = None
    reason: str = ""


class PolicyConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """What agents may do without a person's yes.

    dry_run: true to run nothing that can do more than read; calls are told what would have been decided
    expires_s: a question that nobody answers for so long is answered with no
    rules: your own rules, before those that are built in
    """

    dry_run: bool = False
    expires_s: PositiveSeconds = 300
    rules: tuple[RuleConfig, ...] = ()


class LogConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """What is logged, to standard error and as JSON lines to the folder `logs` of the data.

    level: "debug", "info", "warning" or "error"
    format: how it is written to standard error: "text" or "json"
    """

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["text", "json"] = "text"


class TelemetryConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """Where traces and metrics are sent, by OTLP over HTTP; nowhere unless an address is set. It needs `carapax[otel]`.

    otlp_endpoint: address of a collector, such as "http://127.0.0.1:4318", to which /v1/traces and /v1/metrics are
        added; empty for none
    otlp_headers: headers of what is sent, and the secrets of the vault that are their values, by name
    service_name: what this gateway is called there
    content: true to send also what was said, called and returned; secrets are taken out of it
    """

    otlp_endpoint: str = ""
    otlp_headers: dict[str, str] = {}
    service_name: str = "carapax"
    content: bool = False


class Config(Struct, frozen=True, forbid_unknown_fields=True):
    """All of `carapax.toml`. There is always an agent; the first one is the default.

    gateway: where the gateway listens, and which pages and proxies it believes
    tls: encryption of the gateway's own port
    tailscale: who reaches the gateway through Tailscale
    limits: what the gateway takes before it refuses
    log: what is logged
    telemetry: where traces and metrics are sent
    egress: where tools may go besides public addresses
    credentials: one table for each secret that agents use by its name
    agents: one table for each agent
    providers: one table for each vendor of models that needs settings
    chains: names of your own for several models, "provider/model" each; the next one answers when one cannot
    models: one table for each model, named "provider/model", whose facts or prices are other than known
    facts: where the facts and prices of models come from
    update: where newer versions come from
    budget: what all agents together may spend
    user: the person this gateway works for
    channels: one table for each chat platform, as its page says; a name or a dotted module path
    door: one table for each channel: those chat platforms, and "api" for everything else
    tools: settings of single tools, as their pages say
    extra_tools: dotted module paths of tools that are not ours
    sandboxes: settings of single sandboxes, as their pages say
    policy: what agents may do without a person's yes
    """

    gateway: GatewayConfig = GatewayConfig()
    tls: TlsConfig = TlsConfig()
    tailscale: TailscaleConfig = TailscaleConfig()
    limits: LimitsConfig = LimitsConfig()
    log: LogConfig = LogConfig()
    telemetry: TelemetryConfig = TelemetryConfig()
    egress: EgressConfig = EgressConfig()
    credentials: dict[str, CredentialConfig] = {}
    agents: dict[str, AgentConfig] = field(default_factory=lambda: {"main": AgentConfig()})
    providers: dict[str, ProviderConfig] = {}
    chains: dict[str, tuple[str, ...]] = {}
    models: dict[str, ModelConfig] = {}
    facts: FactsConfig = FactsConfig()
    update: UpdateConfig = UpdateConfig()
    budget: BudgetConfig = BudgetConfig()
    user: UserConfig = UserConfig()
    channels: dict[str, dict[str, Any]] = {}
    door: dict[str, DoorConfig] = {}
    tools: dict[str, dict[str, Any]] = {}
    extra_tools: tuple[str, ...] = ()
    sandboxes: dict[str, dict[str, Any]] = {}
    policy: PolicyConfig = PolicyConfig()


RESTART: tuple[tuple[str, ...], ...] = (
    *(("gateway", "host"), ("gateway", "port")),
    *(("tls", "mode"), ("tls", "cert"), ("tls", "key")),
)
"""The keys, or whole tables, that a running gateway keeps as they were at its start. All others change as it runs."""
