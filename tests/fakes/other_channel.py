"""Another chat platform in memory, which wants the same ports."""

from tests.fakes.live_channel import Config as Config
from tests.fakes.live_channel import LiveChannel


class OtherChannel(LiveChannel):
    def __init__(self, config: Config) -> None:
        super().__init__(config, "other")


EXTENSION = OtherChannel
