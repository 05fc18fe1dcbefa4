"""Plans of statements as the server's role runs them, and what they read."""

from collections.abc import Iterator
from typing import Any

import psycopg
from psycopg import sql

from models.statement import Statement


def plan_of(
    connection: psycopg.Connection[Any], statement: Statement[Any], *, prepared: bool = True
) -> dict[str, Any]:
    """Return the plan of a statement as it was run: made once for any values, or for these."""
    values = {**statement.values, "owner": statement.owner}
    arguments = sql.SQL(", ").join(values[name] for name in statement.sql.parameters)
    mode = "force_generic_plan" if prepared else "force_custom_plan"
    with connection.transaction(force_rollback=True):
        connection.execute("SELECT set_config('app.user_id', %s, true)", [statement.owner])
        connection.execute(f"SET LOCAL plan_cache_mode = {mode}")
        connection.execute(f"PREPARE planned AS {statement.sql.text}".encode())
        explain = sql.SQL("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE planned ({})")
        record = connection.execute(explain.format(arguments)).fetchone()
        connection.execute("DEALLOCATE planned")
    assert record is not None
    plan: dict[str, Any] = record[0][0]["Plan"]
    return plan


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for part in plan.get("Plans", ()):
        yield from nodes(part)


def rows_read(plan: dict[str, Any]) -> int:
    """Return how many rows of tables a plan has touched, those that it threw away among them."""
    scans = [node for node in nodes(plan) if "Relation Name" in node]
    return int(
        sum(
            node["Actual Loops"]
            * (
                node["Actual Rows"]
                + node.get("Rows Removed by Filter", 0)
                + node.get("Rows Removed by Index Recheck", 0)
            )
            for node in scans
        )
    )


def indexes(plan: dict[str, Any]) -> set[str]:
    """Return the indexes that a plan has read from."""
    return {
        node["Index Name"]
        for node in nodes(plan)
        if "Index Name" in node and node["Actual Loops"] > 0
    }


def buffers(plan: dict[str, Any]) -> int:
    """Return how many pages of tables and indexes a plan has read, wherever they were."""
    return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])
