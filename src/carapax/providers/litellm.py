"""The long tail of vendors, through litellm: whatever https://docs.litellm.ai/docs/providers names, as it names it.

litellm is optional, and heavy: it takes two seconds and 130 MB more when it is asked for the first time. Its answers
have the shape of Chat Completions and are read as such.
"""

import asyncio
import importlib
import importlib.util
import os
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any

import msgspec
from msgspec import Struct

from carapax.errors import ConfigError
from carapax.events import Delta
from carapax.extensions import find
from carapax.messages import AssistantMessage, ModelInfo, ModelRequest
from carapax.models.refusal import Origin, VendorError, refusal, unavailable
from carapax.models.server import Server, own


class Config(Struct, frozen=True, forbid_unknown_fields=True):
    """What litellm is told. Without a key of ours it looks for each vendor's own in the environment.

    drop_params: whether it leaves out what a vendor does not take; else such a request is refused
    """

    drop_params: bool = True


class Litellm:
    """All vendors that litellm knows. A model is named as there: "replicate/meta/llama-4"."""

    def __init__(self, config: Config, server: Server) -> None:
        if importlib.util.find_spec("litellm") is None:
            raise ConfigError(f"provider {server.name!r} needs the package 'litellm'", "pip install 'carapax[litellm]'")
        self.name = server.name
        self._config = config
        self._server = server
        self._chat = find("provider", "openai_chat")

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Delta | AssistantMessage, None]:
        key = (await self._server.credentials.get()).key
        origin = Origin(self.name, request.model, self._server.clock.new_id(), key)
        litellm = await asyncio.to_thread(_load)
        mine = msgspec.structs.replace(request, messages=own(request.messages, self.name))
        asked = {
            **self._chat.encode(mine, self._chat.Config()),
            "api_base": self._server.base_url or None,
            "api_key": key.reveal() or None,
            "drop_params": self._config.drop_params,
            "num_retries": 0,
        }
        try:
            async with asyncio.timeout(self._server.idle_timeout_s):
                answer = await litellm.acompletion(**asked)
            if not request.stream:
                yield self._chat.decode(answer.model_dump_json().encode(), origin)
                return
            decoder = self._chat.Decoder(origin)
            async with aclosing(answer):
                async for chunk in _chunks(answer, self._server.idle_timeout_s):
                    for delta in decoder.take(chunk):
                        yield delta
            message = decoder.finish()
            if not message.parts:  # litellm ends a stream well, whatever an error in it says
                raise unavailable(origin, "no answer came")
            yield message
        except TimeoutError as error:
            raise unavailable(origin, "the server has gone silent") from error
        except importlib.import_module("openai").OpenAIError as error:
            raise refusal(origin, _read(error)) from None  # what it was raised from holds the request, with the key

    async def models(self) -> list[ModelInfo]:
        """Those of vendors whose keys are in the environment."""
        litellm = await asyncio.to_thread(_load)
        return [ModelInfo(name) for name in litellm.get_valid_models()]


def _load() -> Any:
    """Import litellm, which would fetch a list of prices and write to the log if nobody told it not to."""
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    litellm: Any = importlib.import_module("litellm")
    litellm.suppress_debug_info = True
    litellm.telemetry = False
    return litellm


async def _chunks(answer: Any, idle_timeout_s: float) -> AsyncIterator[str]:
    """The chunks of a stream as JSON. Raises TimeoutError for a silence."""
    chunks = aiter(answer)
    while True:
        try:
            async with asyncio.timeout(idle_timeout_s):
                chunk = await anext(chunks)
        except StopAsyncIteration:
            return
        yield chunk.model_dump_json()


def _read(error: Any) -> VendorError:
    code = "context_length_exceeded" if type(error).__name__ == "ContextWindowExceededError" else ""
    status = getattr(error, "status_code", None)
    return VendorError(str(error), code, status if isinstance(status, int) else 0)


EXTENSION = Litellm
