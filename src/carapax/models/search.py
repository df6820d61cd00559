"""What all vendors of web searches have in common: which of them is asked, and what is made of their answers."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from carapax.clock import Clock
from carapax.config import ProviderConfig
from carapax.contracts import Hit, Searcher
from carapax.http import Http
from carapax.models.catalogue import Vendor, resolve, vendors
from carapax.models.detection import needs_key
from carapax.models.keys import VAULT, Keys
from carapax.models.opening import open_searcher

_LONGEST_URL = 2_000


@dataclass(slots=True)
class Chosen:
    """The searcher that is used, opened when it is first asked; `why` says where its key or its address is from."""

    name: str
    why: str
    section: ProviderConfig | None
    http: Http
    keys: Keys
    clock: Clock
    _opened: Searcher | None = field(default=None, init=False)

    async def search(self, query: str, count: int) -> list[Hit]:
        """As a Searcher; raises what `open_searcher` does as well."""
        if self._opened is None:
            self._opened = await open_searcher(self.name, self.section, self.http, self.keys, self.clock)
        return await self._opened.search(query, count)


async def choose(sections: Mapping[str, ProviderConfig], http: Http, keys: Keys, clock: Clock) -> Chosen | None:
    """The first searcher that is configured and can be asked, else the first of the catalogue whose key or address is
    in the vault or the environment; None when there is none. Raises ConfigError for a section that cannot be used, and
    what the vault raises."""
    for name in dict.fromkeys((*sections, *vendors())):
        section = sections.get(name)
        vendor = resolve(name, section)
        if vendor.search and (why := await _why(name, vendor, section, keys)):
            return Chosen(name, why, section, http, keys, clock)
    return None


async def _why(name: str, vendor: Vendor, section: ProviderConfig | None, keys: Keys) -> str:
    """Why a searcher can be asked; empty when it cannot."""
    if needs_key(vendor):
        source = await keys.source(name, vendor, section)
        return source and f"its key is from {'the vault' if source == VAULT else source}"
    if vendor.base_url_env:
        return f"${vendor.base_url_env} is set" if keys.environ.get(vendor.base_url_env, "").strip() else ""
    return f"[providers.{name}] says where it is"


def hits(found: Iterable[tuple[object, object, object, object]], count: int) -> list[Hit]:
    """Pages by title, address, text and date, whatever a vendor sent for these; those without an address are left
    out."""
    pages = [Hit(_text(title), _text(url), _text(text), _text(published)) for title, url, text, published in found]
    return [page for page in pages if _is_address(page.url)][:count]


def _text(found: object) -> str:
    return found if isinstance(found, str) else ""


def _is_address(url: str) -> bool:
    return url.startswith(("https://", "http://")) and len(url) <= _LONGEST_URL and url.isprintable() and " " not in url
