"""Settings: read from the environment and .env, and refused in sentences."""

from collections.abc import Callable
from pathlib import Path

import pytest

from app.configuration.removed import RemovedSettings
from app.settings import Settings, SettingsError, read_settings
from tests.api import SECRET

Read = Callable[..., Settings]

URL = "postgresql://todo_api@localhost/todo"


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> Read:
    """Read the settings where the environment holds these variables and no others."""

    def read(*, to_serve: bool = False, **environment: str) -> Settings:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        return read_settings(to_serve=to_serve)

    return read


def test_nothing_needs_to_be_set(given: Read) -> None:
    settings = given()
    assert settings.database_url is None
    assert settings.cors_origins == ["http://localhost:3000"]
    assert settings.shows_graphiql


def test_a_database_wants_tokens_that_can_be_verified(given: Read) -> None:
    with pytest.raises(SettingsError, match=r"^DATABASE_URL is set, so tokens must be verifiable"):
        given(DATABASE_URL=URL, to_serve=True)


def test_a_secret_of_before_wants_one_of_now(given: Read) -> None:
    with pytest.raises(SettingsError, match=r"^BETTER_AUTH_SECRET_PREVIOUS is set: set BETTER_A"):
        given(BETTER_AUTH_SECRET_PREVIOUS="p" * 32, to_serve=True)


@pytest.mark.parametrize(
    ("name", "value", "extra"),
    [
        ("METRICS", "127.0.0.1:9464", "metrics"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318", "otel"),
        ("MCP", "true", "mcp"),
    ],
)
def test_what_needs_libraries_says_how_to_install_them(
    given: Read, monkeypatch: pytest.MonkeyPatch, name: str, value: str, extra: str
) -> None:
    monkeypatch.setattr("app.configuration.checks.find_spec", lambda name: None)
    with pytest.raises(SettingsError, match=rf"install `todo-api\[{extra}\]`"):
        given(**{name: value}, to_serve=True)


def test_a_migration_wants_no_tokens(given: Read) -> None:
    assert given(DATABASE_URL=URL).database_url == URL


@pytest.mark.parametrize("name", RemovedSettings.model_fields)
def test_a_setting_that_was_removed_is_refused_wherever_it_is_set(given: Read, name: str) -> None:
    with pytest.raises(SettingsError, match=rf"^{name.upper()} is not a setting any more"):
        given(**{name.upper(): "true"})


@pytest.mark.parametrize("name", RemovedSettings.model_fields)
def test_so_is_one_that_is_set_in_the_file(given: Read, name: str) -> None:
    Path(".env").write_text(f"{name.upper()}=1\nDEBUG=perhaps\n")
    with pytest.raises(SettingsError) as caught:
        given()
    removed, wrong = caught.value.sentences
    assert removed.startswith(f"{name.upper()} is not a setting any more")
    assert wrong.startswith("DEBUG cannot be used")


@pytest.mark.parametrize(
    "keys",
    [
        {"BETTER_AUTH_SECRET": SECRET},
        {"BETTER_AUTH_URL": "https://example.com"},
        {"JWKS_URL": "https://example.com/jwks"},
    ],
)
def test_with_a_database_graphiql_is_off(given: Read, keys: dict[str, str]) -> None:
    assert not given(DATABASE_URL=URL, **keys).shows_graphiql
    assert given(GRAPHIQL="true").shows_graphiql


def test_better_auths_url_gives_the_keys_the_issuer_and_the_audience(given: Read) -> None:
    settings = given(BETTER_AUTH_URL="https://example.com/")
    assert settings.key_set_url == "https://example.com/api/auth/jwks"
    assert (settings.issuer, settings.audience) == ("https://example.com/", "https://example.com/")
    settings = given(JWKS_URL="https://a.example/k", JWT_ISSUER="i", JWT_AUDIENCE="a")
    assert settings.key_set_url == "https://a.example/k"
    assert (settings.issuer, settings.audience) == ("i", "a")


@pytest.mark.parametrize(
    ("text", "origins"),
    [
        ('["http://a.example", "http://b.example/"]', ["http://a.example", "http://b.example"]),
        ("http://a.example, http://b.example/", ["http://a.example", "http://b.example"]),
        ("*", ["*"]),
        ("[]", []),
    ],
)
def test_origins_are_a_json_list_or_separated_by_commas(
    given: Read, text: str, origins: list[str]
) -> None:
    assert given(CORS_ORIGINS=text).cors_origins == origins


def test_algorithms_can_be_narrowed_down(given: Read) -> None:
    assert "HS256" in given().algorithms
    assert given(JWT_ALGORITHM="EdDSA,ES256").algorithms == {"EdDSA", "ES256"}


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("DATABASE_URL", "mysql://x", "it must be a URL that starts with postgresql://."),
        ("BETTER_AUTH_SECRET", "short", "it must have at least 32 bytes; make one with `openssl"),
        (
            "BETTER_AUTH_URL",
            "example.com",
            "it must be a URL that starts with http:// or https://.",
        ),
        ("JWKS_URL", "http://example.com:99999/", "it must be a URL with a port from 0 to 65535."),
        ("CORS_ORIGINS", "[oops", "it starts like a JSON list but is none."),
        ("CORS_ORIGINS", "example.com", "it must be a URL that starts with http:// or https://."),
        ("JWT_ALGORITHM", "none", "it must name some of "),
        ("JWT_EXPIRATION_MINUTES", "soon", "it must be a valid integer"),
        ("JWT_EXPIRATION_MINUTES", "0", "it must be greater than 0."),
        ("DEBUG", "perhaps", "it must be a valid boolean"),
        ("DATABASE_POOL_TIMEOUT", "-1", "it must be greater than 0."),
    ],
)
def test_a_wrong_value_gets_a_sentence(given: Read, name: str, value: str, sentence: str) -> None:
    with pytest.raises(SettingsError) as caught:
        given(**{name: value})
    (said,) = caught.value.sentences
    assert said.startswith(f"{name} cannot be used: {sentence}")
    assert said.endswith(".")


def test_every_wrong_setting_gets_a_sentence_of_its_own(given: Read) -> None:
    with pytest.raises(SettingsError) as caught:
        given(DEBUG="perhaps", BETTER_AUTH_URL="x", JWT_EXPIRATION_MINUTES="x")
    assert len(caught.value.sentences) == 3


def test_an_empty_variable_is_an_unset_one(given: Read) -> None:
    assert given(DATABASE_URL="", BETTER_AUTH_SECRET="").database_url is None


def test_no_secret_shows_where_settings_are_printed(given: Read) -> None:
    settings = given(DATABASE_URL="postgresql://u:hunter2@h/d", BETTER_AUTH_SECRET=SECRET)
    assert "hunter2" not in repr(settings)
    assert SECRET not in repr(settings)


def test_settings_do_not_change(given: Read) -> None:
    settings = given()
    with pytest.raises(Exception, match="frozen"):
        settings.debug = True  # type: ignore[misc]  # that is what is tested


@pytest.mark.parametrize(
    "name", ["todo", "Todo_api", "pg_todo", "current_user", 'todo_"x', "todo-api", "_a", "a_" * 32]
)
def test_a_role_that_would_need_quotes_is_refused(given: Read, name: str) -> None:
    with pytest.raises(SettingsError, match=r"^DATABASE_ROLE cannot be used: it must be small"):
        given(DATABASE_ROLE=name)


def test_a_role_may_have_any_other_name(given: Read) -> None:
    assert given(DATABASE_ROLE="app_2_staging").database_role == "app_2_staging"
