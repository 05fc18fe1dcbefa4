"""What the steps of a migration would do to a database that is there, before they do it."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

from app.database.migration import pending, sql_between, to_finish
from app.database.owner import connected
from app.database.steps import Kind, Step, Work, steps
from app.database.urls import SERVER_ROLE

ROWS_A_SECOND = {Work.REWRITTEN: 1_500, Work.INDEXED: 100_000, Work.FILLED: 4_000}
"""Measured with 300,000 tasks on two busy cores: a machine that does nothing else is faster."""

BLOCKED_TOO_LONG = 1.0
"""Seconds for which a migration may keep writes waiting."""

# Statistics need no look at rows, of which row security would hide some.
SIZES = """
SELECT relname::text,
       (CASE WHEN reltuples < 0 THEN pg_stat_get_live_tuples(oid) ELSE reltuples END)::bigint,
       pg_total_relation_size(oid)
FROM pg_class WHERE oid IN (SELECT to_regclass(name) FROM unnest(%s::text[]) AS name)
"""


@dataclass(frozen=True, slots=True)
class Table:
    """A table that a step locks."""

    name: str
    lock: str
    rows: int
    """About how many it has, as PostgreSQL's statistics say."""
    bytes: int
    """On disk, with its indexes."""
    work: Work | None
    """What is done with every row; None where none is read."""

    @property
    def seconds(self) -> float:
        """About how long that takes."""
        return 0.0 if self.work is None else round(self.rows / ROWS_A_SECOND[self.work], 1)

    def __str__(self) -> str:
        size = f"{self.rows:,} rows, {self.bytes:,} bytes"
        work = "" if self.work is None else f", every row {self.work}, about {self.seconds:g} s"
        return f"{self.name}: {self.lock} ({size}{work})"


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """A step, and the tables of this database that it would lock."""

    step: Step
    tables: list[Table]
    sql: str

    @property
    def seconds(self) -> float:
        """About how long it takes."""
        return sum(table.seconds for table in self.tables)

    @property
    def blocks(self) -> float:
        """For about how many seconds it keeps writes waiting once it has its locks."""
        return sum(t.seconds for t in self.tables if t.work is not None and t.work.blocks)

    def __str__(self) -> str:
        command = "migrate" if self.step.kind is Kind.BEFORE else "migrate --finish"
        lines = [
            str(self.step),
            f"  {self.step.kind} the servers are replaced, by `todo-api {command}`; code of "
            f"{self.step.serves} or newer works afterwards",
            *(f"  {table}" for table in self.tables),
            f"  takes about {self.seconds:g} s, blocks writes for about {self.blocks:g} s",
        ]
        return "\n".join(lines)

    def as_json(self) -> dict[str, Any]:
        """Return what it is, for programs."""
        return {
            "revision": self.step.revision,
            "does": self.step.does,
            "kind": self.step.kind,
            "serves": self.step.serves,
            "tables": [{**asdict(table), "seconds": table.seconds} for table in self.tables],
            "seconds": self.seconds,
            "blocks_writes_for_seconds": self.blocks,
            "sql": self.sql,
        }


@dataclass(frozen=True, slots=True)
class Plan:
    """All steps that are still to be applied, oldest first."""

    steps: Sequence[PlannedStep]

    @property
    def blocks(self) -> bool:
        """Whether writes would wait too long. Steps up to 0009 keep their locks to the last."""
        return sum(each.blocks for each in self.steps) > BLOCKED_TOO_LONG

    def __str__(self) -> str:
        if not self.steps:
            return "Nothing is to be applied."
        last = (
            "Writes wait for over a second."
            if self.blocks
            else ("No write waits for over a second, but for those that a lock waits for.")
        )
        return "\n".join([*map(str, self.steps), last])

    def as_json(self) -> dict[str, Any]:
        """Return what it is, for programs."""
        return {
            "steps": [each.as_json() for each in self.steps],
            "blocks_writes_for_over_a_second": self.blocks,
        }


def plan_for(url: str, role: str = SERVER_ROLE) -> Plan:
    """Return what is still to be applied to a database. Nothing in it is changed or locked.

    Raises:
        MigrationFailed: the database could not be asked, or is newer than the code.
    """
    to_apply = [*pending(url), *to_finish(url)]
    names = sorted({name for step in to_apply for name in step.locks})
    with connected(url, "The tables could not be looked at") as connection:
        rows = connection.execute(SIZES, [names]).fetchall()
    sizes = {name: (count, size) for name, count, size in rows}
    before = {step.revision: earlier.revision for earlier, step in pairwise(steps())}
    return Plan(
        [
            PlannedStep(
                step,
                [
                    Table(name, lock, *sizes[name], step.rewrites.get(name))
                    for name, lock in step.locks.items()
                    if name in sizes
                ],
                sql_between(before.get(step.revision, ""), step.revision, role),
            )
            for step in to_apply
        ]
    )
