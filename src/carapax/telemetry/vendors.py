"""How OpenTelemetry calls vendors of models
(https://opentelemetry.io/docs/specs/semconv/registry/attributes/gen-ai/, `gen_ai.provider.name`)."""

_CALLED = {
    "azure": "azure.ai.openai",
    "bedrock": "aws.bedrock",
    "gemini": "gcp.gemini",
    "google": "gcp.gemini",
    "mistral": "mistral_ai",
    "moonshot": "moonshot_ai",
    "moonshotai": "moonshot_ai",
    "vertex": "gcp.vertex_ai",
    "watsonx": "ibm.watsonx.ai",
    "xai": "x_ai",
}


def called(provider: str) -> str:
    """The name of a provider there; others keep the one that they have in the configuration."""
    return _CALLED.get(provider, provider)
