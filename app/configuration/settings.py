"""All settings together, and what follows from those of several groups."""

from pydantic_settings import SettingsConfigDict

from app.configuration.database import DatabaseSettings
from app.configuration.env_file import ENV_FILE
from app.configuration.requests import RATE_LIMIT_IN_PRODUCTION, RequestSettings
from app.configuration.serving import ServingSettings
from app.configuration.tokens import TokenSettings


# pydantic takes fields from the last base first.
class Settings(ServingSettings, RequestSettings, TokenSettings, DatabaseSettings):
    """The configuration of the server. With nothing set, it is a server for development."""

    model_config = SettingsConfigDict(
        env_file=ENV_FILE, env_ignore_empty=True, extra="ignore", frozen=True
    )

    @property
    def points_per_minute(self) -> int:
        """What each user may spend; 0: as much as they like."""
        if self.rate_limit is None:
            return RATE_LIMIT_IN_PRODUCTION if self.database_url else 0
        return self.rate_limit

    @property
    def shows_graphiql(self) -> bool:
        return self.is_embedded if self.graphiql is None else self.graphiql

    @property
    def allows_introspection(self) -> bool:
        return self.shows_graphiql if self.introspection is None else self.introspection

    @property
    def logs_for_people(self) -> bool:
        return self.debug or self.is_embedded
