import hashlib
from base64 import b64encode

import pytest

from carapax.config import Config, GatewayConfig, LimitsConfig
from carapax.messages import Attachment, UserMessage
from carapax.testing.gateway import gateway_client
from tests.running import run

PNG = b"\x89PNG\r\n\x1a\n\0\0"
DIGEST = hashlib.sha256(PNG).hexdigest()


def test_a_file_is_sent_named_by_a_message_and_shown_to_whoever_reads_the_conversation() -> None:
    async def main() -> None:
        async with gateway_client(["I see it."]) as gateway:
            added = await gateway.rpc("file.add", data=b64encode(PNG).decode(), name="cat.png", media_type="text/html")
            assert added == {"digest": DIGEST, "name": "cat.png", "media_type": "image/png", "size": len(PNG)}
            sent = await gateway.rpc(
                "session.message",
                text="What is this?",
                attachments=[{"digest": DIGEST, "name": "cat.png"}],
                wait=True,
            )
            history = await gateway.rpc("session.history", session=sent["session"])
            said = {"role": "user", "text": "What is this?", "attachments": [added]}
            assert history["messages"][0]["message"] == said
            file = Attachment("cat.png", "image/png", DIGEST, len(PNG))
            assert gateway.model.requests[0].messages == (UserMessage("What is this?", "", (file,)),)
            assert await gateway.rpc("file.get", digest=DIGEST) == {
                "digest": DIGEST,
                "media_type": "image/png",
                "data": b64encode(PNG).decode(),
            }

    run(main())


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"attachments": [{"digest": "0" * 64}]}, "no file"),
        ({"attachments": [{"digest": "abc"}]}, "digest"),
        ({"attachments": [{"digest": DIGEST}] * 11}, "length <= 10"),
        ({"attachments": [{"digest": DIGEST, "name": "a\nb"}]}, "name"),
    ],
)
def test_a_message_names_only_files_that_are_kept(fields: dict[str, object], words: str) -> None:
    async def main() -> None:
        async with gateway_client(["never"]) as gateway:
            with pytest.raises(RuntimeError, match=words):
                await gateway.rpc("session.message", text="hi", **fields)
            assert (await gateway.rpc("session.list"))["sessions"] == []

    run(main())


def test_a_file_that_is_empty_or_too_long_is_refused() -> None:
    async def main() -> None:
        config = Config(gateway=GatewayConfig(port=0), limits=LimitsConfig(attachment_bytes=4))
        async with gateway_client(config=config) as gateway:
            for data, words in ((b"", "matching regex|Expected text"), (b"12345", "5 bytes, more than 4")):
                with pytest.raises(RuntimeError, match=words):
                    await gateway.rpc("file.add", data=b64encode(data).decode())

    run(main())
