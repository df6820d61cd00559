"""Test doubles for whoever builds on Carapax, and the rules that providers and channels keep.

`FakeClock`, `ScriptedProvider` and `MemoryChannel` stand in for time, a model and a chat platform. `ProviderContract`
and `ChannelContract` are test classes to inherit from. A whole gateway in deterministic simulation is in
`carapax.testing.simulation`.
"""

from carapax.testing.channel import ChannelContract, MemoryChannel
from carapax.testing.clock import FakeClock
from carapax.testing.provider import Answer, Pause, ProviderContract, Script, ScriptedProvider, call

__all__ = [
    "Answer",
    "ChannelContract",
    "FakeClock",
    "MemoryChannel",
    "Pause",
    "ProviderContract",
    "Script",
    "ScriptedProvider",
    "call",
]
