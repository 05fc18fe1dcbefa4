"""What new migrations send is looked through by squawk, for what would keep servers waiting."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from app.database.migration import sql_between
from app.database.steps import Kind, steps
from tests.api import nonempty

SQUAWK = Path(sys.executable).parent / "squawk"

LAST_EXCEPTED = "0012"
"""They are older than this test, and each was tried under load."""

NOT_FOR_US = (
    # The code sets none: what fills rows or makes indexes takes as long as there are rows.
    "require-statement-timeout",
    # Columns have the types that the fields of the models want.
    "prefer-bigint-over-int",
    "prefer-bigint-over-smallint",
    "prefer-text-field",
    "prefer-timestamp-tz",
)

ENDS_WHAT_OLDER_CODE_NEEDS = (
    "ban-alter-identity",
    "ban-drop-column",
    "ban-drop-constraint",
    "ban-drop-function",
    "ban-drop-not-null",
    "ban-drop-table",
    "ban-drop-trigger",
    "ban-drop-type",
    "ban-drop-view",
)
"""Steps that are applied once no such code runs may do this, and no others."""

TRIED = re.compile(r"'200ms', true\);\n\s+LOCK TABLE ([a-z_, ]+) IN ([A-Z ]+) MODE;")
"""The locks of `locking.tried`."""

TAKES_LOCKS = re.compile(
    r"^(?:ALTER TABLE|LOCK|(?:CREATE|DROP) (?:TABLE|INDEX|TRIGGER|POLICY))", re.MULTILINE
)
"""What no step does that names no locks: one that makes functions alone."""

AS_THE_CODE_SETS_IT = "SET lock_timeout = '1s';\n"


def complaints(sql: str, kind: Kind, folder: Path) -> set[str]:
    """Return the names of the rules of squawk that a step of this kind breaks."""
    file = folder / "step.sql"
    file.write_text(AS_THE_CODE_SETS_IT + sql)
    allowed = NOT_FOR_US + (ENDS_WHAT_OLDER_CODE_NEEDS if kind is Kind.AFTER else ())
    done = subprocess.run(
        [SQUAWK, "--reporter=json", "--pg-version=15.0", f"--exclude={','.join(allowed)}", file],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, 1), done.stderr
    return {found["rule_name"] for found in json.loads(done.stdout)}


def test_new_migrations_keep_nobody_waiting(tmp_path: Path) -> None:
    before = LAST_EXCEPTED
    for step in nonempty(step for step in steps() if step.revision > LAST_EXCEPTED):
        found = complaints(sql_between(before, step.revision), step.kind, tmp_path)
        assert found == set(), f"{step}: see squawkhq.com/docs for each of {found}"
        before = step.revision


def test_new_migrations_try_for_the_locks_that_their_headers_name() -> None:
    before = LAST_EXCEPTED
    for step in nonempty(step for step in steps() if step.revision > LAST_EXCEPTED):
        sql = sql_between(before, step.revision)
        before = step.revision
        if not step.locks:
            assert not TAKES_LOCKS.search(sql), str(step)
            continue
        tried = re.search(TRIED, sql)
        assert tried is not None, f"{step} waits for its locks as long as it takes"
        assert dict.fromkeys(tried[1].split(", "), tried[2]) == step.locks, str(step)


@pytest.mark.parametrize(
    ("sql", "rule"),
    [
        ("CREATE INDEX a ON tasks (title);", "require-concurrent-index-creation"),
        ("ALTER TABLE tasks ALTER title SET NOT NULL;", "adding-not-nullable-field"),
        ("ALTER TABLE tasks ALTER id TYPE numeric;", "changing-column-type"),
        ("ALTER TABLE tasks ADD CHECK (id > 0);", "constraint-missing-not-valid"),
        ("ALTER TABLE tasks RENAME title TO name;", "renaming-column"),
    ],
)
@pytest.mark.parametrize("kind", Kind)
def test_what_keeps_servers_waiting_is_noticed(
    tmp_path: Path, kind: Kind, sql: str, rule: str
) -> None:
    assert rule in complaints(sql, kind, tmp_path)


def test_only_what_is_applied_last_may_take_away(tmp_path: Path) -> None:
    sql = "ALTER TABLE tasks DROP COLUMN title;"
    assert complaints(f"BEGIN; {sql} COMMIT;", Kind.AFTER, tmp_path) == set()
    assert complaints(f"BEGIN; {sql} COMMIT;", Kind.BEFORE, tmp_path) == {"ban-drop-column"}
