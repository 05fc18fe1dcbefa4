"""The command line: tokens, migrations, the schema, the doctor."""

import importlib
import inspect
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import jwt
import psycopg
import pytest
from graphql import build_schema
from strawberry.printer import print_schema

from app.cli import COMMANDS
from app.commands.doctor import examine
from app.database.embedded import DATABASE, embedded_postgres
from app.database.installation import Retention, complete_migration
from app.database.urls import SERVER_ROLE
from app.settings import Settings
from graphql_schema.schema import schema
from tests.api import SECRET, running_server, settings_for
from tests.databases import GIVEN, Database
from tests.repository import ROOT

BIN = Path(sys.executable).parent

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run a command of the environment in an empty folder, with nothing set but what is given."""

    def run(
        *words: str, cwd: Path = tmp_path, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [BIN / words[0], *words[1:]],
            cwd=cwd,
            env={"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **environment},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def test_token_makes_a_token_of_the_user(run: Run) -> None:
    done = run(
        "todo-api", "token", "ada", "--email", "ada@example.com", "--name", "Ada", "--minutes", "5",
        BETTER_AUTH_SECRET=SECRET, JWT_ISSUER="https://i.example", JWT_AUDIENCE="https://a.example",
    )  # fmt: skip
    claims = jwt.decode(
        done.stdout.strip(), SECRET, algorithms=["HS256"],
        issuer="https://i.example", audience="https://a.example",
    )  # fmt: skip
    assert (claims["sub"], claims["email"], claims["name"]) == ("ada", "ada@example.com", "Ada")
    assert claims["exp"] - claims["iat"] == 300


@pytest.mark.parametrize(
    ("options", "scope"),
    [
        ([], None),
        (["--scope", "tasks:read"], "tasks:read"),
        (["--scope", "tasks:read", "--scope", "tasks:write"], "tasks:read tasks:write"),
        (["--scope", "tasks:read tasks:write"], "tasks:read tasks:write"),
        (["--scope", ""], ""),
    ],
)
def test_a_token_has_the_scopes_that_are_given(
    run: Run, options: list[str], scope: str | None
) -> None:
    done = run("todo-api", "token", "ada", *options, BETTER_AUTH_SECRET=SECRET)
    claims = jwt.decode(done.stdout.strip(), SECRET, algorithms=["HS256"])
    assert claims.get("scope") == scope


def test_a_scope_that_does_not_exist_is_a_mistake(run: Run) -> None:
    done = run("todo-api", "token", "ada", "--scope", "task:read", BETTER_AUTH_SECRET=SECRET)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "todo-api: no scope is called 'task:read': there are tasks:read, tasks:write.\n"
    )


def test_a_token_lives_as_long_as_the_settings_say(run: Run) -> None:
    done = run("todo-api", "token", "ada", BETTER_AUTH_SECRET=SECRET, JWT_EXPIRATION_MINUTES="7")
    claims = jwt.decode(done.stdout.strip(), SECRET, algorithms=["HS256"])
    assert claims["exp"] - claims["iat"] == 7 * 60


def test_without_a_secret_no_token_is_made_for_a_real_database(
    run: Run, database: Database
) -> None:
    done = run(
        "todo-api", "token", "ada", DATABASE_URL=database.server_url, JWKS_URL="http://x/jwks"
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "todo-api: BETTER_AUTH_SECRET is not set, and without it no token can be signed.\n"
    )


def test_for_development_the_secret_is_made_once_and_kept_to_oneself(
    run: Run, tmp_path: Path
) -> None:
    for _ in range(2):
        assert run("todo-api", "token", "ada").returncode == 0
    secret = tmp_path / ".todo-api" / "secret"
    assert len(secret.read_text()) >= 32
    assert secret.stat().st_mode & 0o077 == 0
    assert [file.name for file in secret.parent.iterdir()] == ["secret"]


SERVER_PARTS = {"alembic", "fastapi", "graphql", "httpx2", "sqlalchemy", "strawberry", "uvicorn"}

PRINT_IMPORTED = """
import sys
from app.cli import main
try:
    if sys.argv[1:]:
        main()
finally:
    print(*sys.modules)
"""


@pytest.mark.parametrize("words", ["", "--help", "token ada", "token --help", "database-url"])
def test_a_small_command_imports_no_part_of_the_server(words: str, run: Run) -> None:
    """Nor does the module itself, which each worker imports before it answers its supervisor."""
    url = "postgresql://somewhere/todo"
    environment = {"PYTHONPATH": str(ROOT), "DATABASE_URL": url, "BETTER_AUTH_SECRET": SECRET}
    done = run("python", "-c", PRINT_IMPORTED, *words.split(), **environment)
    assert done.returncode == 0, done.stderr
    imported = set(done.stdout.splitlines()[-1].split())
    assert "app.cli" in imported
    assert imported & SERVER_PARTS == set()


def test_the_list_of_commands_says_of_each_what_it_says_of_itself() -> None:
    modules = {f.stem for f in (ROOT / "app" / "commands").glob("*.py")} - {"__init__", "for_user"}
    said = {}
    for name in modules:
        function = getattr(importlib.import_module(f"app.commands.{name}"), name)
        said[name.rstrip("_").replace("_", "-")] = inspect.getdoc(function)
    assert said == COMMANDS


def test_what_cannot_be_done_is_said_in_one_sentence(run: Run) -> None:
    done = run("todo-api", "migrate", DATABASE_URL="postgresql://nobody@127.0.0.1:9/nothing")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("todo-api: The database cannot be reached")
    assert "Traceback" not in done.stderr


def test_database_url_prints_the_url_of_the_embedded_database(run: Run, data_folder: Path) -> None:
    with embedded_postgres(data_folder) as postgres:
        for words, url in [
            ([], postgres.url(SERVER_ROLE, DATABASE)),
            (["--admin"], postgres.superuser_url(DATABASE)),
        ]:
            done = run("todo-api", "database-url", *words, DATA_DIR=str(data_folder))
            assert (done.returncode, done.stdout) == (0, f"{url}\n"), done.stderr


def test_export_schema_prints_the_committed_schema(run: Run) -> None:
    committed = (ROOT / "schema.graphql").read_text()
    assert run("todo-api", "export-schema").stdout == committed, (
        "the schema has changed; if that is meant: uv run todo-api export-schema > schema.graphql"
    )
    by_strawberry = run("strawberry", "export-schema", "graphql_schema.schema", cwd=ROOT)
    assert by_strawberry.stdout == committed


def test_export_schema_check_says_how_to_mend_a_drift(run: Run, tmp_path: Path) -> None:
    assert run("todo-api", "export-schema", "--check", cwd=ROOT).returncode == 0
    (tmp_path / "schema.graphql").write_text("type Query { old: Int }\n")
    done = run("todo-api", "export-schema", "--check")
    assert done.returncode == 1
    assert "uv run todo-api export-schema > schema.graphql" in done.stderr


def test_export_schema_against_names_what_breaks_clients(run: Run, tmp_path: Path) -> None:
    older = tmp_path / "older.graphql"
    older.write_text((ROOT / "schema.graphql").read_text())
    assert run("todo-api", "export-schema", "--against", str(older)).returncode == 0
    older.write_text(older.read_text().replace("type User {", "type User {\n  phone: String"))
    done = run("todo-api", "export-schema", "--against", str(older))
    assert (done.returncode, done.stdout) == (1, "FIELD_REMOVED: Field User.phone was removed.\n")


def test_the_schema_is_sorted_and_everything_in_it_is_described() -> None:
    sdl = print_schema(schema)
    core = build_schema(sdl)
    names = [name for name in core.type_map if not name.startswith("__")]
    printed = [
        line.split()[1].rstrip("!{") for line in sdl.splitlines()
        if line.split(" ")[0] in ("type", "input", "enum", "union", "scalar", "interface")
    ]  # fmt: skip
    assert printed == sorted(printed)
    bare = []
    for name in names:
        type_ = core.type_map[name]
        if name in ("ID", "String", "Int", "Boolean"):
            continue
        bare += [name] if not type_.description else []
        for field_name, field in getattr(type_, "fields", {}).items():
            bare += [f"{name}.{field_name}"] if not field.description else []
            for argument_name, argument in getattr(field, "args", {}).items():
                bare += (
                    [f"{name}.{field_name}({argument_name})"] if not argument.description else []
                )
        for value_name, value in getattr(type_, "values", {}).items():
            bare += [f"{name}.{value_name}"] if not value.description else []
    assert bare == []


def test_migrate_makes_a_role_that_the_server_can_use(run: Run, fresh_database: Database) -> None:
    before = run(
        "todo-api", "migrate", "--check", MIGRATION_DATABASE_URL=fresh_database.superuser_url
    )
    assert before.returncode == 1
    assert "To be applied: " in before.stdout

    done = run("todo-api", "migrate", MIGRATION_DATABASE_URL=fresh_database.superuser_url)
    assert done.returncode == 0, done.stderr
    url = done.stdout.split("DATABASE_URL=")[1].splitlines()[0]
    assert "todo_api" in url

    after = run(
        "todo-api", "migrate", "--check", MIGRATION_DATABASE_URL=fresh_database.superuser_url
    )
    assert after.returncode == 0
    assert after.stdout == "The database is up to date.\n"
    with running_server(settings_for(fresh_database.server_url)) as server:
        assert server.user().create("Milk")["version"] == 1


def test_migrate_never_prints_a_password(run: Run, fresh_database: Database) -> None:
    role = f"server_{os.urandom(6).hex()}"
    parts = psycopg.conninfo.conninfo_to_dict(fresh_database.superuser_url)
    url = f"postgresql://{role}:hunter2hunter2@/{parts['dbname']}?host={parts['host']}"
    try:
        done = run(
            "todo-api", "migrate",
            MIGRATION_DATABASE_URL=fresh_database.superuser_url,
            DATABASE_URL=url, BETTER_AUTH_SECRET=SECRET,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert "hunter2" not in done.stdout + done.stderr
        with running_server(settings_for(url)) as server:
            assert server.user().create("Milk")["version"] == 1
    finally:
        with psycopg.connect(fresh_database.superuser_url) as connection:
            connection.execute(f"DROP ROLE IF EXISTS {role}")


def test_migrate_prints_sql_without_a_database(run: Run) -> None:
    done = run("todo-api", "migrate", "--sql")
    assert done.returncode == 0
    assert "CREATE TABLE" in done.stdout
    assert "FORCE ROW LEVEL SECURITY" in done.stdout


def test_the_doctor_finds_a_sound_server_sound(run: Run, database: Database) -> None:
    done = run("todo-api", "doctor", DATABASE_URL=database.server_url, BETTER_AUTH_SECRET=SECRET)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "WRONG" not in done.stdout
    assert "Row security keeps users apart: all is as the migrations make it." in done.stdout
    assert "role todo_api" in done.stdout
    assert SECRET not in done.stdout


def marked(mark: str, settings: Settings, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Return what the doctor marks so."""
    examine(settings)
    lines = capsys.readouterr().out.splitlines()
    return [line.removeprefix(mark).strip() for line in lines if line.startswith(mark)]


def test_the_doctor_says_what_is_open(
    database: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    closed = {"jwt_issuer": "i", "jwt_audience": "a", "data_dir": tmp_path}
    shared = marked("open", settings_for(database.server_url, **closed), capsys)
    told = [sentence for sentence in shared if not sentence.startswith("Where a node is away ")]
    # The role of tests is that of every database on their server; a given one may be alone.
    assert len(told) == 1 or (GIVEN and not told)
    for sentence in told:
        assert sentence.startswith("The role todo_api has rights in other databases, such as ")

    opened = settings_for(
        database.server_url,
        data_dir=tmp_path,
        cors_origins=["*"],
        graphiql=True,
        mcp=True,
        public_url="https://api.example.com/",
        debug=True,
        require_row_security=False,
        better_auth_secret_previous="p" * 32,
    )
    (tmp_path / "secret").write_text(SECRET)
    assert marked("open", opened, capsys) == [
        "The secret is the one made for development.",
        "Tokens signed with BETTER_AUTH_SECRET_PREVIOUS count too.",
        "Their issuer must be anything.",
        "Their audience must be anything.",
        "Pages of every origin may call.",
        "GraphiQL is on.",
        "Assistants are served at /mcp; tokens for https://api.example.com/mcp are accepted too.",
        "Signed-in users may ask for the schema; nobody else may.",
        "DEBUG is on: the log says more, for people.",
        *shared,
    ]
    (wrong,) = marked("WRONG", opened, capsys)
    assert "REQUIRE_ROW_SECURITY is off" in wrong


def test_the_doctor_knows_what_is_open_in_development(
    data_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = marked("open", Settings(_env_file=None, data_dir=data_folder), capsys)
    assert {"GraphiQL is on.", "The secret is the one made for development."} <= set(said)


def test_the_doctor_finds_what_is_wrong(run: Run, database: Database) -> None:
    done = run(
        "todo-api", "doctor",
        DATABASE_URL=database.superuser_url, JWKS_URL="http://127.0.0.1:9/jwks",
    )  # fmt: skip
    assert done.returncode == 1
    wrong = [line for line in done.stdout.splitlines() if line.startswith("WRONG")]
    assert any("superuser" in line for line in wrong)
    assert any("http://127.0.0.1:9/jwks cannot be fetched" in line for line in wrong)
    done = run(
        "todo-api", "doctor",
        DATABASE_URL="postgresql://nobody:hunter2@127.0.0.1:9/nothing", BETTER_AUTH_SECRET=SECRET,
    )  # fmt: skip
    assert done.returncode == 1
    assert "cannot be reached" in done.stdout
    assert "hunter2" not in done.stdout


def test_alembic_works_by_itself(run: Run, fresh_database: Database) -> None:
    url = {"MIGRATION_DATABASE_URL": fresh_database.superuser_url}
    for command in (["upgrade", "head"], ["check"], ["current"], ["downgrade", "base"]):
        done = run("alembic", *command, cwd=ROOT, **url)
        assert done.returncode == 0, done.stderr


def test_purge_removes_what_is_old_enough_and_says_how_much(
    run: Run, migrated_database: Database
) -> None:
    with psycopg.connect(migrated_database.superuser_url) as connection:
        connection.execute("INSERT INTO users (id, name) VALUES ('ada', 'Ada')")
        connection.execute(
            "INSERT INTO tasks (user_id, title, version, deleted_at) SELECT 'ada', 'x', n, "
            "now() - n * interval '1 day' FROM generate_series(3, 6) n"
        )
    url = migrated_database.server_url
    complete_migration(migrated_database.superuser_url, Retention(5, 7))
    done = run("todo-api", "purge", DATABASE_URL=url, TRASH_RETENTION_DAYS="5")
    assert (done.returncode, done.stdout) == (0, "Removed for good: 2 tasks.\n")
    nowhere = "postgresql://nobody@127.0.0.1:9/nothing"
    failed = run("todo-api", "purge", DATABASE_URL=nowhere)
    assert failed.returncode == 1
    assert failed.stderr.startswith("todo-api: the trash could not be purged: ")
