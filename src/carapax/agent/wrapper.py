"""What all providers around another provider have in common."""

from carapax.contracts import Provider
from carapax.messages import ModelInfo


class Wrapper:
    """Has the name and the models of the provider inside; how it streams is for each kind to say."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider

    @property
    def name(self) -> str:
        return self._provider.name

    async def models(self) -> list[ModelInfo]:
        return await self._provider.models()
