"""What the doctor says of a cluster's nodes, and what a plan says of the pause."""

from dataclasses import replace

import pytest

from app.database.cluster.examination import Node, findings_of, groups_of
from app.database.cluster.plan import Plan, Size


def node(name: str, *, citus: str = "14.0-1", prepared: int = 0, shards: int = 32) -> Node:
    return Node(name, 18, citus, connections=100, prepared=prepared, shards=shards)


COORDINATOR = node("coordinator:5432", shards=0)


def test_nodes_that_are_alike_are_well() -> None:
    (finding,) = findings_of([COORDINATOR, node("worker1:5432")], 8, None)
    assert finding.mark == "ok"
    assert "enough for 10 workers" in finding.sentence


@pytest.mark.parametrize(
    ("workers", "mark"), [(10, "ok"), (11, "open"), (12, "open"), (13, "WRONG")]
)
def test_connections_to_each_node_are_added_up(workers: int, mark: str) -> None:
    (finding,) = findings_of([COORDINATOR, node("worker1:5432")], 8, workers)
    assert finding.mark == mark


def test_nodes_of_different_versions_are_wrong() -> None:
    first, _ = findings_of([COORDINATOR, node("worker1:5432", citus="13.0-1")], 8, None)
    assert first.mark == "WRONG"
    assert "worker1:5432: PostgreSQL 18, Citus 13.0-1" in first.sentence


def test_a_version_that_was_not_tried_is_open() -> None:
    both = [
        node("coordinator:5432", citus="15.0-1", shards=0),
        node("worker1:5432", citus="15.0-1"),
    ]
    first, _ = findings_of(both, 8, None)
    assert first.mark == "open"


def test_transactions_that_were_left_prepared_are_wrong() -> None:
    first, _ = findings_of([COORDINATOR, node("worker1:5432", prepared=2)], 8, None)
    assert first.mark == "WRONG"
    assert "On the node worker1:5432 2 prepared transactions" in first.sentence


def test_functions_that_anybody_may_call_are_wrong() -> None:
    added = replace(node("worker3:5432"), open_functions=4)
    first, _ = findings_of([COORDINATOR, added], 8, None)
    assert first.mark == "WRONG"
    assert "On the node worker3:5432 anybody may call functions" in first.sentence


@pytest.mark.parametrize(("patience", "marks"), [(5000, ["ok"]), (5001, ["open", "ok"])])
def test_a_node_that_waits_long_for_another_is_open(patience: int, marks: list[str]) -> None:
    findings = findings_of([COORDINATOR, replace(node("worker1:5432"), patience=patience)], 8, None)
    assert [finding.mark for finding in findings] == marks
    assert ("for up to 5 s at worker1:5432" in findings[0].sentence) == (len(marks) > 1)


def test_a_shard_group_that_is_large_is_open() -> None:
    assert groups_of(64, 1, 50 * 2**30).mark == "ok"
    assert groups_of(64, 1, 50 * 2**30 + 1).mark == "open"


def test_a_plan_tells_rows_bytes_and_the_pause() -> None:
    sizes = [Size("users", 1_000, 2**20), Size("tasks", 99_000, 50 * 2**20)]
    plan = Plan(["SELECT create_distributed_table('users', …)"], sizes, 1.0, 10_000.0)
    assert plan.seconds == pytest.approx(12.0)
    lines = plan.lines()
    assert "tasks: 99,000 rows, 50 MiB with indexes." in lines
    assert "about 12 s" in lines[-1]
    assert Plan([], [], 0.0, None).lines() == ["There is nothing to do."]
