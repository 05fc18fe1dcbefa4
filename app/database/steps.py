"""The steps of the migration: what each says of itself in its header, and which wait for the end.

A step of the kind `before` is run before the servers are replaced by new ones, an `after` step when
that is done: it takes away what older code alone needs.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from itertools import dropwhile
from pathlib import Path

from alembic.config import Config
from alembic.script import Script, ScriptDirectory

FOLDER = Path(__file__).parent / "migrations"


class Kind(StrEnum):
    """Whether a step is run before or after the servers are replaced."""

    BEFORE = "before"
    AFTER = "after"


class Work(StrEnum):
    """What is done with every row of a table that is there."""

    REWRITTEN = "rewritten under its lock"
    INDEXED = "indexed under its lock"
    FILLED = "filled in batches"

    @property
    def blocks(self) -> bool:
        """Whether whoever writes waits until the last row is done."""
        return self is not Work.FILLED


@dataclass(frozen=True, slots=True)
class Step:
    """A migration, as its header and the first line of its docstring describe it."""

    revision: str
    does: str
    kind: Kind
    serves: str
    """The oldest version of the code that works after it."""
    locks: Mapping[str, str]
    """The strongest lock that it takes on each table that was there before."""
    rewrites: Mapping[str, Work]
    """What it does with every row of a table, by the table's name."""

    def __str__(self) -> str:
        return f"{self.revision}: {self.does}"


def config() -> Config:
    """Return Alembic's configuration."""
    made = Config()
    made.set_main_option("script_location", str(FOLDER))
    return made


@cache
def steps() -> tuple[Step, ...]:
    """Return all steps that the code knows, oldest first.

    Raises:
        AttributeError: a migration lacks a part of its header.
    """
    scripts = ScriptDirectory.from_config(config()).walk_revisions()
    return tuple(_step(script) for script in scripts)[::-1]


def _step(script: Script) -> Step:
    header = script.module
    return Step(
        script.revision,
        script.doc,
        Kind(header.kind),
        header.serves,
        header.locks,
        {table: Work(work) for table, work in header.rewrites.items()},
    )


@cache
def head() -> str:
    """Return the newest revision that `todo-api migrate` brings a database to: `expected.REVISION`.

    Revisions are ordered as texts. The `after` steps that no other follows are beyond it.
    """
    return next(dropwhile(lambda step: step.kind is Kind.AFTER, reversed(steps()))).revision


def steps_after(revision: str | None, *, finish: bool) -> list[Step]:
    """Return the steps that are still to be applied, oldest first.

    `revision`: the one that the database is at, None for none. `finish`: those beyond `head`, which
    wait until no older code runs, and not those up to it.
    """
    return [
        step
        for step in steps()
        if step.revision > (revision or "") and finish == (step.revision > head())
    ]


def waiting(step: Step) -> str:
    """Return a sentence about an `after` step that is still to be applied."""
    return (
        f"{step.revision} waits for `todo-api migrate --finish`, once no code older than "
        f"{step.serves} runs."
    )
