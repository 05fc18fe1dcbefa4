"""The settings: read once from the environment and `.env`, checked, and passed on.

Each is declared in one of the groups of `app/configuration`: database, tokens, requests, serving.
Its description is the sentence that `.env.example` and docs/settings.md print.
"""

import sys

from pydantic import ValidationError

from app.configuration.checks import missing_to_serve
from app.configuration.database import DatabasePooler
from app.configuration.env_file import ENV_FILE, misspelt, objection_to
from app.configuration.removed import RemovedSettings
from app.configuration.requests import GRAPHQL_PATH, MCP_PATH, TrustedDocumentsMode
from app.configuration.settings import Settings

__all__ = [
    "GRAPHQL_PATH",
    "MCP_PATH",
    "DatabasePooler",
    "Settings",
    "SettingsError",
    "TrustedDocumentsMode",
    "misspelt_settings",
    "read_settings",
    "settings_or_exit",
]


class SettingsError(Exception):
    """Settings are wrong or missing: one readable sentence for each."""

    def __init__(self, sentences: list[str]) -> None:
        super().__init__("\n".join(sentences))
        self.sentences = sentences


def read_settings(*, to_serve: bool = False) -> Settings:
    """Return the settings that the environment and `.env` hold.

    Raises:
        SettingsError: some are wrong, or removed, or missing in a server.
    """
    unreadable = objection_to(ENV_FILE)
    if unreadable is not None:
        raise SettingsError([unreadable])
    removed = RemovedSettings()
    sentences = [
        str(field.description)
        for name, field in RemovedSettings.model_fields.items()
        if getattr(removed, name) is not None
    ]
    try:
        settings = Settings()
    except ValidationError as error:
        raise SettingsError(sentences + _sentences(error)) from None
    if to_serve:
        sentences += missing_to_serve(settings)
    if sentences:
        raise SettingsError(sentences)
    return settings


def misspelt_settings() -> list[str]:
    """Return a sentence for each name in `.env` that is almost a setting's."""
    return misspelt(ENV_FILE, [*Settings.model_fields, *RemovedSettings.model_fields])


def settings_or_exit(*, to_serve: bool = False) -> Settings:
    """Return the settings, or exit with code 2 and a sentence on stderr for each that is wrong."""
    try:
        return read_settings(to_serve=to_serve)
    except SettingsError as error:
        for sentence in error.sentences:
            sys.stderr.write(f"todo-api: {sentence}\n")
        sys.exit(2)


def _sentences(error: ValidationError) -> list[str]:
    sentences = []
    for problem in error.errors(include_url=False, include_input=False):
        message = problem["msg"].removeprefix("Value error, ")
        message = message.removeprefix("Input should be ").rstrip(".")
        message = message if message.startswith("it ") else f"it must be {message}"
        sentences.append(f"{str(problem['loc'][0]).upper()} cannot be used: {message}.")
    return sentences
