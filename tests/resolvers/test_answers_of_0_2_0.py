"""Clients of the release before: their operations get the answers that it gave."""

import json
from pathlib import Path

from tests.api import Server
from tests.resolvers.release_before import alike, operations

ANSWERS = Path(__file__).with_name("answers_of_0_2_0.json")
"""What a server of 0.2.0 answered."""


def test_what_clients_of_0_2_0_send_is_answered_as_it_was(server: Server) -> None:
    answers = alike(list(operations(server.user())))
    before = json.loads(ANSWERS.read_text(encoding="utf-8"))
    assert len(answers) == len(before) == 39
    for (name, answer), (_, was) in zip(answers, before, strict=True):
        assert answer == was, name
