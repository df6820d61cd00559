"""A gateway's models, all of them one provider that a test holds in its hand."""

from carapax.contracts import Embedder, Provider, Searcher, Spender
from carapax.errors import ConfigError


class OneProvider:
    """Whatever model is asked for, this provider answers; the web is searched with `searcher`, if there is one."""

    def __init__(self, provider: Provider, searcher: Searcher | None = None) -> None:
        self._provider = provider
        self._searcher = searcher

    async def open(self, model: str, spender: Spender | None = None) -> tuple[Provider, str]:
        return self._provider, model.partition("/")[2] or "model"

    async def embedder(self, model: str, spender: Spender | None = None) -> tuple[Embedder, str]:
        raise ConfigError(f"{self._provider.name} has no embeddings")

    def searcher(self) -> Searcher | None:
        return self._searcher

    async def context_tokens(self, model: str) -> int:
        return 128_000

    def check(self, model: str) -> None:
        """Every name will do."""

    def describe(self, model: str) -> tuple[str, str]:
        return f"{self._provider.name}/model", "the test chose it"
