"""Clients of the release before: their operations get the answers that it gave."""

import json
from pathlib import Path
from typing import Any

from tests.api import Server
from tests.resolvers.release_before import alike, operations

ANSWERS = Path(__file__).with_name("answers_of_0_2_0.json")
"""What a server of 0.2.0 answered."""


def test_what_clients_of_0_2_0_send_is_answered_as_it_was(server: Server) -> None:
    answers = alike(list(operations(server.user())))
    before = json.loads(ANSWERS.read_text(encoding="utf-8"))
    assert len(answers) == len(before) == 39
    was, now = versions_by_batch(before), versions_by_batch(answers)
    assert sorted(was.values()) == sorted(now.values())
    numbers = {version: was[id] for id, version in now.items()}
    for (name, answer), (_, earlier) in zip(answers, before, strict=True):
        assert renumbered(answer, numbers) == earlier, name


def versions_by_batch(answers: list[tuple[str, Any]]) -> dict[str, int]:
    """Return the versions of tasks that a batch has changed: it numbers them in any order."""
    tasks = dict(answers)["update many"]["data"]["updateTasks"]["tasks"]
    return {task["id"]: task["version"] for task in tasks}


def renumbered(answer: Any, numbers: dict[int, int]) -> Any:
    """Return an answer with other versions, in whose order changes stand."""
    if isinstance(answer, list):
        nodes = [renumbered(each, numbers) for each in answer]
        are_changes = all(isinstance(each, dict) and "taskId" in each for each in nodes)
        return sorted(nodes, key=lambda each: int(each["version"])) if are_changes else nodes
    if isinstance(answer, dict):
        return {
            name: numbers.get(value, value) if name == "version" else renumbered(value, numbers)
            for name, value in answer.items()
        }
    return answer
