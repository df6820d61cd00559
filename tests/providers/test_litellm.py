import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec
import pytest

from carapax.clock import SystemClock
from carapax.errors import ConfigError
from carapax.http import Http
from carapax.models.server import Server
from carapax.providers.litellm import Config, Litellm

ROOT = Path(__file__).parent.parent.parent
PYTHON = Path(os.environ.get("CARAPAX_LITELLM_PYTHON", ROOT / ".venv-litellm" / "bin" / "python"))


@pytest.fixture(scope="module")
def turns() -> dict[str, Any]:
    """What came of each turn with the real litellm."""
    if not PYTHON.exists() and not os.environ.get("CI"):
        pytest.skip("litellm is not installed (make litellm)")
    environ = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"}
    command = [str(PYTHON), "-m", "tests.providers.litellm_turns"]
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stderr
    lines = [msgspec.json.decode(line) for line in done.stdout.splitlines()]
    return {line["turn"]: line for line in lines}


def text_of(message: dict[str, Any]) -> str:
    return "".join(part["text"] for part in message["parts"] if part["type"] == "text")


def test_an_answer_comes_whole_or_as_a_stream(turns: dict[str, Any]) -> None:
    [message] = turns["whole"]["found"]
    assert (text_of(message), message["provider"], message["usage"]["input"]) == ("hello world", "long-tail", 10)
    *deltas, message = turns["stream"]["found"]
    assert [delta["text"] for delta in deltas] == ["hm", "hello ", "world"]
    assert (text_of(message), message["usage"]["output"]) == ("hello world", 5)


def test_tools_are_called(turns: dict[str, Any]) -> None:
    *_, message = turns["call"]["found"]
    [call] = message["parts"]
    assert (call["name"], call["arguments"], message["stop_reason"]) == ("look", '{"a": 1}', "tool_calls")


def test_the_address_and_the_key_of_the_provider_are_used(turns: dict[str, Any]) -> None:
    assert {(turn["path"], turn["key"]) for turn in turns.values()} == {
        ("/v1/chat/completions", "Bearer sk-verysecretkey12345")
    }


@pytest.mark.parametrize(
    ("turn", "kind", "words"),
    [
        ("refused", "ModelUnauthorized", "answered with 401 for model openai/fake-model"),
        ("busy", "ModelBusy", "too fast"),
        ("long", "ContextOverflow", "maximum context length is 10 tokens"),
        ("cut", "ModelUnavailable", "long-tail answered with 500"),
        ("error", "ModelUnavailable", "no answer came"),
        ("stalled", "ModelUnavailable", "gone silent"),
    ],
)
def test_what_goes_wrong_is_a_model_error_as_with_any_vendor(
    turns: dict[str, Any], turn: str, kind: str, words: str
) -> None:
    found = turns[turn]["found"]
    assert found["error"] == kind
    assert words in found["said"]
    assert "sk-verysecretkey12345" not in found["said"]


@pytest.mark.skipif(find_spec("litellm") is not None, reason="litellm is installed here")
def test_without_litellm_the_provider_says_what_to_install() -> None:
    with pytest.raises(ConfigError, match=r"pip install 'carapax\[litellm\]'"):
        Litellm(Config(), Server("long-tail", Http(), SystemClock()))
    assert "litellm" not in sys.modules
