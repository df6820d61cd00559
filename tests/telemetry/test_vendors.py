"""Names of vendors."""

from carapax.telemetry.vendors import called


def test_vendors_that_the_conventions_know_have_their_names() -> None:
    assert [called(name) for name in ("openai", "gemini", "bedrock", "my-server")] == [
        "openai",
        "gcp.gemini",
        "aws.bedrock",
        "my-server",
    ]
