import pytest

from carapax.agent.toolbox import Permitted, Supervised, Tools, Workable, unknown
from carapax.app import supervise
from carapax.errors import Broken, Forbidden
from carapax.messages import ToolCall
from tests.agent.running import Book, FunctionTool
from tests.running import run

READ, WRITE = FunctionTool("read_file", lambda given: "text"), FunctionTool("write_file", lambda given: "written")

CALL = ToolCall("1", "tool", "{}")


def test_only_permitted_tools_are_seen_and_called() -> None:
    toolbox = Permitted(Tools([READ, WRITE]), ["read_*"])
    assert [spec.name for spec in toolbox.specs()] == ["read_file"]
    assert toolbox.find("write_file") is None
    with pytest.raises(Forbidden):
        run(toolbox.call(WRITE, Book([]).context(WRITE, CALL), {}))


def test_a_tool_that_can_do_nothing_now_is_not_seen() -> None:
    idle = {"read_file"}
    toolbox = Workable(Tools([READ, WRITE]), lambda: idle)
    assert [spec.name for spec in toolbox.specs()] == ["write_file"]
    assert toolbox.find("read_file") is None
    assert toolbox.find("write_file") is WRITE
    idle.clear()
    assert [spec.name for spec in toolbox.specs()] == ["read_file", "write_file"]
    assert toolbox.find("read_file") is READ
    assert run(toolbox.call(READ, Book([]).context(READ, CALL), {})) == "text"


def test_an_unknown_name_is_answered_with_the_closest() -> None:
    assert unknown(Tools([READ, WRITE]), "readfile") == "there is no tool 'readfile'; did you mean 'read_file'?"
    assert unknown(Tools([READ]), "zzz") == "there is no tool 'zzz'; there are: read_file"


def test_a_tool_that_breaks_fails_only_its_call(caplog: pytest.LogCaptureFixture) -> None:
    def broken(given: object) -> str:
        raise KeyError("oops")

    tool = FunctionTool("broken", broken)
    toolbox = Supervised(Tools([tool]), supervise)
    with pytest.raises(Broken, match="KeyError"):
        run(toolbox.call(tool, Book([]).context(tool, CALL), {}))
    assert "tool broken failed" in caplog.text
