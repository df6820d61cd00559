"""What the gateway's port shows to those who connect: whether it is encrypted, with which certificate, and until when.

What makes and reads certificates is heavy, and imported only where there is one.
"""

import asyncio
import contextlib
import logging
import ssl
from pathlib import Path
from typing import TYPE_CHECKING

from carapax import durable
from carapax.clock import Clock
from carapax.config import Config, is_loopback
from carapax.errors import ConfigError, StoreError
from carapax.home import Home
from carapax.tls.names import asked, found
from carapax.tls.status import Mode, TlsStatus

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

    from carapax.tls.authority import Authority

log = logging.getLogger("carapax.tls")
LOOK_S = 30.0
_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"


def mode_of(config: Config) -> Mode:
    """Whether the port is encrypted, and with whose certificate."""
    tls = config.tls
    auto = bool(tls.cert) or not (is_loopback(config.gateway.host) or config.gateway.behind_proxy)
    if tls.mode == "off" or (tls.mode == "auto" and not auto):
        return "off"
    return "own" if tls.cert else "private"


def own_files(config: Config, home: Home) -> tuple[Path, Path]:
    """The files of the certificate and of the key that were named; relative to the folder of carapax.toml."""
    cert = home.config_dir / Path(config.tls.cert).expanduser()
    return cert, home.config_dir / Path(config.tls.key).expanduser() if config.tls.key else cert


class Certificates:
    """`context` is for the next connection that is made; None means that the port speaks plain HTTP. `names` are those
    that the certificate is for.

    A new certificate makes a new context, so that connections that are open keep theirs.
    """

    def __init__(self, config: Config, home: Home, clock: Clock) -> None:
        self.context: ssl.SSLContext | None = None
        self.names: frozenset[str] = frozenset()
        self.mode = mode_of(config)
        self._config = config
        self._home = home
        self._clock = clock
        self._certificate: Certificate | None = None
        self._authority: Authority | None = None
        self._left_out: tuple[str, ...] = ()
        self._seen: object = None
        self._told = asyncio.Event()
        self._problem = ""

    async def follow(self) -> None:
        """Look again and again whether there is another certificate to show, without end."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self._told.wait()
            self._told.clear()
            try:
                self.look()
            except (ConfigError, StoreError) as error:
                self._tell(str(error))

    def tell(self, config: Config) -> None:
        """Other names may be asked for from now on. Whose certificate it is stays."""
        self._config = config
        self._told.set()

    def look(self) -> None:
        """Have the certificate that is the right one now: renew ours when two thirds of its life are over or it lacks
        a name, read one of your own again when its files have changed.

        Raises ConfigError or StoreError; what was shown before is shown further then.
        """
        if self.mode == "off":
            return
        try:
            (self._take_own if self.mode == "own" else self._take_private)()
        except OSError as error:
            raise StoreError(f"{error.filename}: {error.strerror}", "make it readable and writable") from error

    @property
    def authority_pem(self) -> bytes:
        """The certificate of the gateway's own authority, for devices to trust; empty where there is none."""
        return public_pem(self._authority.certificate) if self._authority else b""

    @property
    def authority_der(self) -> bytes:
        """The same, as phones want it."""
        return ssl.PEM_cert_to_DER_cert(self.authority_pem.decode()) if self._authority else b""

    def status(self) -> TlsStatus:
        return _status(self.mode, self._certificate, self._authority, self._left_out, self._problem)

    def _take_own(self) -> None:
        from carapax.tls.shown import read_own  # noqa: PLC0415 - heavy, and most gateways listen on this machine only

        cert, key = own_files(self._config, self._home)
        seen = [_state(file) for file in (cert, key)]
        if seen == self._seen:
            return
        certificate = read_own(cert, key, self._clock.now())
        self._show(certificate, cert, key)
        self._seen, self._problem = seen, ""

    def _take_private(self) -> None:
        from carapax.tls.authority import open_authority  # noqa: PLC0415 - heavy, as above
        from carapax.tls.shown import read_leaf  # noqa: PLC0415 - heavy, as above

        self._home.tls.mkdir(mode=0o700, parents=True, exist_ok=True)
        now = self._clock.now()
        wanted = asked(self._config)
        names = [*dict.fromkeys([*found(self._config), *wanted])]
        authority = open_authority(self._home.authority_file, names, now)
        permitted = [name for name in names if authority.permits(name)]
        leaf = read_leaf(self._home.leaf_file, authority)
        if leaf is None or _due(leaf, permitted, now):
            durable.replace(self._home.leaf_file, authority.issue(permitted, now))
            leaf = read_leaf(self._home.leaf_file, authority)
            assert leaf is not None
        if leaf != self._certificate:
            self._show(leaf, self._home.leaf_file, self._home.leaf_file)
        self._authority, self._problem = authority, ""
        self._left_out = tuple(name for name in wanted if name not in permitted)

    def _show(self, certificate: "Certificate", cert: Path, key: Path) -> None:
        """From now on. Commands on this machine are told of it before, and know the old one still."""
        from carapax.tls.shown import names  # noqa: PLC0415 - heavy, and most gateways listen on this machine only

        context = server_context(cert, key)
        known = [certificate, *([self._certificate] if self._certificate else [])]
        self._home.tls.mkdir(mode=0o700, parents=True, exist_ok=True)
        durable.replace(self._home.shown_file, b"".join(map(public_pem, known)))
        self.context, self._certificate, self.names = context, certificate, frozenset(names(certificate))
        log.info("the certificate that is shown is valid until %s", certificate.not_valid_after_utc.date())

    def _tell(self, problem: str) -> None:
        if problem != self._problem:
            log.error("the certificate stays as it was: %s", problem)
        self._problem = problem


def open_certificates(config: Config, home: Home, clock: Clock) -> Certificates:
    """The certificate to show, made if there is none. Raises ConfigError or StoreError where there cannot be one."""
    certificates = Certificates(config, home, clock)
    certificates.look()
    return certificates


def describe(config: Config, home: Home, now: float) -> TlsStatus:
    """What a gateway that starts now would show, as far as it is made. Changes nothing.

    Raises ConfigError for files that it could not use.
    """
    mode = mode_of(config)
    if mode == "off":
        return TlsStatus(mode)
    from carapax.tls.authority import read_authority  # noqa: PLC0415 - heavy, as above
    from carapax.tls.shown import read_leaf, read_own  # noqa: PLC0415 - heavy, as above

    if mode == "own":
        return _status(mode, read_own(*own_files(config, home), now), None)
    authority = read_authority(home.authority_file)
    if authority is None:
        return TlsStatus(mode)
    left_out = tuple(name for name in asked(config) if not authority.permits(name))
    return _status(mode, read_leaf(home.leaf_file, authority), authority, left_out)


def server_context(cert: Path, key: Path) -> ssl.SSLContext:
    """TLS 1.2 and 1.3 with forward secrecy. Raises ConfigError for files that do not work together."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(cert, key, password="")
    except ssl.SSLError as error:
        raise ConfigError(f"tls.cert: {cert} cannot be shown: {error.reason or error}", "look at both files") from error
    return context


def public_pem(certificate: "Certificate") -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding  # noqa: PLC0415 - heavy, as above

    return certificate.public_bytes(Encoding.PEM)


def renewal(certificate: "Certificate") -> float:
    """When two thirds of its life are over."""
    since, until = certificate.not_valid_before_utc.timestamp(), certificate.not_valid_after_utc.timestamp()
    return since + (until - since) * 2 / 3


def _due(leaf: "Certificate", wanted: list[str], now: float) -> bool:
    from carapax.tls.shown import names  # noqa: PLC0415 - heavy, as above

    return not (leaf.not_valid_before_utc.timestamp() <= now < renewal(leaf) and set(wanted) <= set(names(leaf)))


def _status(
    mode: Mode,
    certificate: "Certificate | None",
    authority: "Authority | None",
    left_out: tuple[str, ...] = (),
    problem: str = "",
) -> TlsStatus:
    if certificate is None and authority is None:
        return TlsStatus(mode, problem=problem)
    from carapax.tls.shown import facts  # noqa: PLC0415 - heavy, as above

    return TlsStatus(
        mode,
        facts(certificate) if certificate else None,
        facts(authority.certificate) if authority else None,
        renewal(certificate) if certificate and mode == "private" else 0,
        left_out,
        problem,
    )


def _state(file: Path) -> tuple[int, int, int] | None:
    """What changes with a file; None for one that is not there."""
    try:
        state = file.stat()
    except OSError:
        return None
    return state.st_ino, state.st_size, state.st_mtime_ns
