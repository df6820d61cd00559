"""What a model is told of the tools."""

import msgspec
import pytest

from carapax.extensions import configure, export, find, names
from carapax.messages import ToolSpec

TOOLS = names("tool")


@pytest.mark.parametrize("name", TOOLS)
def test_every_tool_has_the_name_of_its_module_and_a_configuration(name: str) -> None:
    module = find("tool", name)
    assert export("tool", name, module).name == name
    assert configure("tool", name, module, {}) == module.Config()


def test_all_tools_together_are_told_in_four_kilobytes() -> None:
    tools = [export("tool", name, find("tool", name)) for name in TOOLS]
    specs = [ToolSpec(tool.name, tool.description, tool.parameters) for tool in tools]
    assert len(msgspec.json.encode(specs)) <= 4096
