"""Every contract that an extension or a layer keeps, on one page."""

from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal, Protocol, TypeVar

from msgspec import Struct

from carapax.clock import Clock
from carapax.events import Delta, Rerun, StreamReset
from carapax.messages import (
    AssistantMessage,
    Inbound,
    ModelInfo,
    ModelRequest,
    Origin,
    Outbound,
    Receipt,
    ToolSpec,
    Usage,
)
from carapax.redaction import Secret
from carapax.store.grants import Granted

Effect = Literal["read", "write", "execute", "network", "spend", "message", "destroy"]
Verdict = Literal["allow", "ask", "deny"]
Source = Literal["own", "workspace", "outside", "found", "names"]
C = TypeVar("C")
T = TypeVar("T")


class Supervise(Protocol):
    """Awaits work that is not ours to trust: an exception nobody expected is logged and raised as Broken."""

    async def __call__(self, what: str, work: Awaitable[T]) -> T: ...


class Provider(Protocol):
    """A vendor of models."""

    @property
    def name(self) -> str:
        """The name it has in the configuration."""
        ...

    def stream(self, request: ModelRequest) -> AsyncGenerator[Delta | StreamReset | AssistantMessage, None]:
        """Yield what the model says as it says it, and last of all the whole message, exactly once.

        With `request.stream` false only the message is yielded. A StreamReset makes void what was yielded before it.
        Raises a ModelError. Closing the iterator early closes the connection.
        """
        ...

    async def models(self) -> list[ModelInfo]:
        """The models that can be asked for now. Raises a ModelError."""
        ...


class Spender(Struct, frozen=True):
    """For whom a model is asked."""

    agent: str
    session: str
    run: str


class Spend(Struct, frozen=True):
    """One call of a model, as it is counted: `cost` is in nanodollars (a billion to the dollar). `estimated` when the
    vendor did not count, `priced` when the model's price is known."""

    provider: str
    model: str
    usage: Usage
    cost: int
    estimated: bool = False
    priced: bool = True


class Ledger(Protocol):
    """Who may spend how much, and what was spent. Amounts are in nanodollars."""

    def limited(self, spender: Spender) -> bool:
        """Whether a budget bounds what this one may spend."""
        ...

    async def reserve(self, spender: Spender, provider: str, model: str, amount: int) -> str:
        """Set aside what a call may cost at most, and return the reservation's id. Raises OverBudget, which says which
        budget has how much left and when it begins anew; nothing is set aside then."""
        ...

    async def settle(self, reservation: str, spend: Spend | None) -> None:
        """Count what the call really took, in place of what was set aside; None for a call that never reached the
        vendor."""
        ...


class Embeddings(Struct, frozen=True):
    """One vector for each text, in their order, all of the same length."""

    vectors: tuple[tuple[float, ...], ...]
    model: str
    usage: Usage = Usage()


class Embedder(Protocol):
    """A vendor of embeddings."""

    @property
    def name(self) -> str:
        """The name that the provider has in the configuration."""
        ...

    async def embed(
        self, texts: Sequence[str], model: str, *, purpose: Literal["query", "document"], dimensions: int | None = None
    ) -> Embeddings:
        """The embeddings of texts, of which there may be any number: more than the vendor takes at once are asked for
        in turn. `purpose` says whether they look for others or are to be found. Raises a ModelError."""
        ...


class Hit(Struct, frozen=True):
    """A page that a search found: what it says to the query, and when it was `published` as its vendor writes that,
    empty when nobody knows. All of it comes from outside."""

    title: str
    url: str
    text: str
    published: str = ""


class Searcher(Protocol):
    """A vendor of web searches."""

    @property
    def name(self) -> str:
        """The name that the provider has in the configuration."""
        ...

    async def search(self, query: str, count: int) -> list[Hit]:
        """At most so many pages, the best first; none when nothing was found. Raises a ModelError: a search fails as
        a question to a model does."""
        ...


class KeptSecret(Struct, frozen=True):
    """What may be told of a secret.

    name: its name
    version: greater than that of any secret whose place it took
    changed_at: when it was kept, in seconds since 1970; 0 when that is not known
    """

    name: str
    version: int
    changed_at: float


class SecretStore(Protocol):
    """Keeps secrets by name, on disk never in the clear. A name is letters, digits and `.:_/-`."""

    async def get(self, name: str) -> Secret | None:
        """None when there is none. Raises Unavailable when it cannot be read, Broken when it was tampered with."""
        ...

    async def set(self, name: str, secret: Secret) -> None:
        """Keep it, in place of one of that name; on disk when this returns. Raises Unavailable when it cannot be
        written, Broken when the store was tampered with."""
        ...

    async def remove(self, name: str) -> bool:
        """Whether there was one."""
        ...

    async def names(self) -> list[str]: ...

    async def kept(self) -> list[KeptSecret]:
        """What may be told of every secret, by name."""
        ...


Submit = Callable[[Inbound], Awaitable[Receipt]]


class ChannelLimits(Struct, frozen=True):
    """What a chat platform takes. `max_text` counts characters of one message."""

    max_text: int = 4000


class Channel(Protocol):
    """A chat platform. Splitting, retries and the order of replies are done for it, driven by `limits`."""

    @property
    def name(self) -> str: ...

    @property
    def limits(self) -> ChannelLimits: ...

    async def run(self, submit: Submit) -> None:
        """Receive until cancelled. A message is acknowledged to its platform after `submit` returned, not earlier."""
        ...

    async def send(self, message: Outbound) -> str:
        """Send one message and return the platform's name for it. `message.key` is the same in every try.

        Raises Unavailable when it may work later, InvalidRequest when it never will.
        """
        ...

    async def check(self) -> str:
        """Ask the platform what it calls us; it may be asked of a channel that does not listen. Raises Unavailable,
        Unauthorized or another CarapaxError that says what to do."""
        ...


class Execution(Struct, frozen=True):
    """How a command ended. `output` is standard output and error as they came, cut to the limit asked for.

    `exit_code` is negative for a signal. `killed` says which limit ended it, or is empty.
    """

    exit_code: int
    output: str
    truncated: bool = False
    killed: str = ""


class Entry(Struct, frozen=True):
    """A file or folder of a workspace; `path` is relative to it, with `/`."""

    path: str
    kind: Literal["file", "folder", "link", "other"]
    size: int


class Sandbox(Protocol):
    """Where an agent's hands are: one private workspace, and commands that reach nothing else.

    Every path is relative to the workspace; one that leaves it, by `..`, a link or an absolute name, raises Forbidden.
    Every method raises Unavailable, with the remedy, where the sandbox cannot be had: nothing runs outside of it.
    """

    @property
    def network(self) -> bool:
        """Whether commands reach anything outside of the machine, be it through a proxy only."""

    def of(self, session: str) -> "Sandbox":
        """The sandbox of one session: this one, where all sessions of an agent share it."""
        ...

    async def exec(
        self,
        command: Sequence[str],
        *,
        timeout_s: float,
        max_output: int,
        progress: Callable[[str], None] | None = None,
        environment: Mapping[str, Secret] = MappingProxyType({}),
    ) -> Execution:
        """Run a command and everything it starts to its end, its time limit, or cancellation, whichever is first.

        `environment` are variables that it gets besides those of the sandbox; they show on no command line. Raises
        InvalidRequest for one that cannot be given. What the command says may hold them.
        """
        ...

    async def read_file(self, path: str, max_bytes: int) -> bytes:
        """Raises NotFound; InvalidRequest for a folder or a file of more than `max_bytes`."""
        ...

    async def write_file(self, path: str, data: bytes, *, append: bool = False) -> None:
        """Write a file as a whole, or its end; missing folders are made."""
        ...

    async def list_files(self, path: str, *, recursive: bool, max_entries: int) -> list[Entry]:
        """Entries below a folder in order of their paths, links not followed. Raises NotFound."""
        ...


class Fetched(Struct, frozen=True):
    """What a URL gave: where it was found in the end, and the body, cut to the limit asked for."""

    url: str
    status: int
    content_type: str
    body: bytes
    truncated: bool = False


class Egress(Protocol):
    """The one way out for the tools of an agent: only where it may go, and to public addresses, which are resolved once
    and pinned; each redirect is checked again."""

    async def fetch(
        self, url: str, *, max_bytes: int, timeout_s: float, headers: Mapping[str, str] = MappingProxyType({})
    ) -> Fetched:
        """GET a page. In the values of headers a `secret:NAME` is replaced by the secret, where it may be sent there.

        Raises Forbidden for what may not be reached or sent, with the rule; InvalidRequest for what is no URL or
        header; Unavailable when nobody answers in time.
        """
        ...

    async def connect(self, url: str) -> tuple[StreamReader, StreamWriter]:
        """A bare connection to the host and port of a URL. Raises like `fetch`."""
        ...


class Credentials(Protocol):
    """The secrets that one agent uses by their names."""

    def told(self) -> str:
        """What its model is told of them: names, and where they can be used; empty when there are none."""
        ...

    async def environment(self) -> Mapping[str, Secret]:
        """The variables that its commands get. Raises Unavailable when the vault cannot be read."""
        ...


@dataclass(frozen=True, slots=True)
class ToolContext:
    """What a tool may use: the world outside only through these. Where nothing searches the web, `search` is None."""

    agent: str
    session: str
    run: str
    call_id: str
    sandbox: Sandbox
    egress: Egress
    clock: Clock
    progress: Callable[[str], None]
    config: object
    search: Searcher | None = None
    credentials: Credentials | None = None

    def settings(self, kind: type[C]) -> C:
        """This tool's own configuration, as the `Config` type of its module."""
        if not isinstance(self.config, kind):
            raise TypeError(f"expected {kind.__qualname__}, configured with {type(self.config).__qualname__}")
        return self.config


class Tool(Protocol):
    """Something an agent can do.

    `effects` is what a call may do to the world ("destroy" is to remove what cannot be brought back), `rerun` what may
    be done about a call that a crash cut short.
    `authority` names the arguments that decide who or what is touched (a path, a host, a command); None means all.
    `source` is whose words its results may hold: the owner's own data ("own"), the files of the workspace, pages and
    messages that others have written ("outside"), pages that a search found ("found"), or nothing but names of one word
    that others chose each their own ("names": a result that holds more than that counts as from outside); None when
    nobody knows, which is trusted as little.
    """

    @property
    def name(self) -> str: ...
    @property
    def description(self) -> str: ...
    @property
    def parameters(self) -> dict[str, Any]: ...
    @property
    def effects(self) -> frozenset[Effect]: ...
    @property
    def rerun(self) -> Rerun: ...
    @property
    def authority(self) -> tuple[str, ...] | None: ...
    @property
    def source(self) -> Source | None: ...

    def effects_of(self, arguments: Mapping[str, Any]) -> frozenset[Effect]:
        """What a call with these arguments may do: `effects`, or some of them where the arguments leave no doubt."""
        ...

    async def run(self, context: ToolContext, arguments: Mapping[str, Any]) -> str:
        """Do it, with arguments that fit `parameters`, and return what the model is told.

        Raises a CarapaxError for what the model can be told went wrong.
        """
        ...


class Asking(Struct, frozen=True):
    """A call that is about to run, as those see it who decide about it.

    effects: what it may do: those of the tool, narrowed by what the arguments are known to do
    authority: the arguments that decide who or what is touched; None means all of them
    origins: what the session has read from others than those who may give orders; empty when there is none
    vouching: texts of those who may give orders: what they name is vouched for
    own: the owner's own data: it vouches for whom and what a call touches, not for what it says
    things: how things are called that bear one of the arguments as their id, by what listed them
    links: addresses that stand word for word in pages and messages that the session has read
    found: addresses of what was found by searches in which nobody else had a hand
    followed: how many pages and searches were read since somebody who may give orders said something
    private: whether the run can reach what is not public
    grants: what people have allowed in this session
    files: the files of the workspace that the arguments name, with the SHA-256 of what they hold, where a grant asks
    """

    agent: str
    session: str
    channel: str
    tool: str
    arguments: Mapping[str, Any]
    effects: frozenset[Effect]
    authority: tuple[str, ...] | None
    origins: tuple[Origin, ...] = ()
    vouching: tuple[str, ...] = ()
    own: tuple[str, ...] = ()
    things: Mapping[str, tuple[str, ...]] = {}
    links: frozenset[str] = frozenset()
    found: frozenset[str] = frozenset()
    followed: int = 0
    private: bool = True
    grants: tuple[Granted, ...] = ()
    files: Mapping[str, str] = MappingProxyType({})


class Decision(Struct, frozen=True):
    """Whether a call may run: "ask" needs a person's yes. `rule` names what decided and `reason` tells a person why."""

    verdict: Verdict
    rule: str
    reason: str


class Approver(Protocol):
    """One rule about calls. Of several the first that does not pass decides; when all pass, the call is refused."""

    def judge(self, asking: Asking) -> Decision | None:
        """None to pass."""
        ...


class Toolbox(Protocol):
    """The tools of one agent. Policies wrap it: each may hide a tool, refuse a call, or pass it on."""

    def specs(self) -> tuple[ToolSpec, ...]: ...

    def find(self, name: str) -> Tool | None: ...

    async def call(self, tool: Tool, context: ToolContext, arguments: Mapping[str, Any]) -> str:
        """Run a tool that `find` returned. Raises a CarapaxError."""
        ...
