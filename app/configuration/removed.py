"""The settings that are gone, and what to do where one is still set."""

from pydantic import Field
from pydantic_settings import BaseSettings

from app.configuration.settings import Settings


class RemovedSettings(BaseSettings):
    """Settings that the server once had; each description says what to do where one is set."""

    model_config = Settings.model_config

    database_pipeline: str | None = Field(
        default=None,
        description="DATABASE_PIPELINE is not a setting any more: psycopg's pool was removed, and "
        "connections are always shared by libpq's pipeline mode. Remove it.",
    )
    database_pool_min_size: str | None = Field(
        default=None,
        description="DATABASE_POOL_MIN_SIZE is not a setting any more: connections are opened when "
        "they are needed, up to DATABASE_POOL_MAX_SIZE. Remove it.",
    )
