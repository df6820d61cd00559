import pytest

from carapax.agent.suggesting import Suggesting
from carapax.agent.texttools import NoTools, TextTools
from carapax.agent.wrapper import Wrapper
from carapax.testing.clock import FakeClock
from carapax.testing.provider import ScriptedProvider
from tests.running import run

INNER = ScriptedProvider([])


@pytest.mark.parametrize("wrapper", [Suggesting(INNER), NoTools(INNER), TextTools(NoTools(INNER), FakeClock())])
def test_what_wraps_a_provider_has_its_name_and_its_models(wrapper: Wrapper) -> None:
    assert (wrapper.name, run(wrapper.models())) == (INNER.name, run(INNER.models()))
