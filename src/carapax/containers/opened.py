"""The engine that a home is configured with, opened to look after what the home has there."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from msgspec import Struct

from carapax import extensions
from carapax.config import Config, Home
from carapax.containers.engine import Engine
from carapax.containers.image import Recipe
from carapax.containers.records import home_id


class Opened(Struct):
    """The engine, the home's identity on it, and the image that the configuration asks for."""

    engine: Engine
    home: str
    recipe: Recipe

    @property
    def needed(self) -> tuple[str, str]:
        """The images that are not left over."""
        return self.recipe.tag, self.recipe.parent


@asynccontextmanager
async def open_engine(home: Home, config: Config) -> AsyncIterator[Opened]:
    """Raises Unavailable where no engine answers, ConfigError for settings that cannot be used."""
    module = extensions.find("sandbox", "docker")
    settings = extensions.configure("sandbox", "docker", module, config.sandboxes.get("docker", {}))
    recipe = Recipe.of(settings.base, settings.packages, settings.commands)
    async with await Engine.open(settings.socket) as engine:
        yield Opened(engine, home_id(home.workspaces), recipe)
