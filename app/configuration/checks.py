"""Checks across settings: what a server lacks, though each setting by itself can be used."""

from importlib.util import find_spec

from app.configuration.settings import Settings


def missing_to_serve(settings: Settings) -> list[str]:
    """Return a sentence for each thing that a server lacks, though a migration does not."""
    sentences = []
    if settings.database_url and not (settings.better_auth_secret or settings.key_set_url):
        sentences.append(
            "DATABASE_URL is set, so tokens must be verifiable: set BETTER_AUTH_SECRET, or "
            "BETTER_AUTH_URL, or JWKS_URL."
        )
    if settings.better_auth_secret_previous and not settings.better_auth_secret:
        sentences.append("BETTER_AUTH_SECRET_PREVIOUS is set: set BETTER_AUTH_SECRET too.")
    if settings.metrics == "path" and settings.metrics_token is None:
        sentences.append(
            "METRICS=path would show its numbers to everybody who reaches the server: set "
            "METRICS_TOKEN, or METRICS to an address of its own, such as 127.0.0.1:9464."
        )
    if settings.is_measured and find_spec("prometheus_client") is None:
        sentences.append("METRICS needs a library: install `todo-api[metrics]`.")
    if settings.mcp and find_spec("mcp") is None:
        sentences.append("MCP needs a library: install `todo-api[mcp]`.")
    if settings.otel_exporter_otlp_endpoint and find_spec("opentelemetry.sdk") is None:
        sentences.append("OTEL_EXPORTER_OTLP_ENDPOINT needs libraries: install `todo-api[otel]`.")
    return sentences
