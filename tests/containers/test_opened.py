"""The engine that a home is configured with."""

from pathlib import Path
from typing import Any

import pytest

from carapax.config import Config, Home
from carapax.containers.opened import open_engine
from carapax.errors import CarapaxError, ConfigError, Unavailable
from tests.running import run


@pytest.mark.parametrize(
    ("section", "error"),
    [
        ({"socket": "/nowhere"}, Unavailable),
        ({"socket": 1}, ConfigError),
        ({"base": "no name; of an image"}, ConfigError),
    ],
)
def test_an_engine_that_is_not_there_or_settings_that_are_none_are_refused(
    tmp_path: Path, section: dict[str, Any], error: type[CarapaxError]
) -> None:
    async def scene() -> None:
        async with open_engine(Home(tmp_path, tmp_path), Config(sandboxes={"docker": section})):
            pass

    with pytest.raises(error):
        run(scene())
