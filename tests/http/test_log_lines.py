"""What strangers write stays within its line of the log, and reaches no terminal."""

import json
import logging
import signal
import sys
from pathlib import Path

import pytest

from app.telemetry.log import JsonLines, ReadableLines
from app.telemetry.request_log import _line
from tests.api import SECRET
from tests.databases import Database
from tests.http.test_serving import started

ODD = [
    *("\n", "\r", "\x00", "\x07", "\x1b[2J", "\x7f", "\x85", "\u2028", "\u2029", "\u202e"),
    *("\u200b", "\ufeff", "\x9b31m", "\U000e0001", "\ud800"),
]


@pytest.mark.parametrize("odd", ODD, ids=ascii)
def test_no_text_of_a_line_forges_another_or_reaches_the_terminal(odd: str) -> None:
    text = f"/x{odd}INFO:     forged"
    request = logging.LogRecord("app", logging.INFO, "", 0, "request", None, None)
    request.__dict__["values"] = {"path": text, "op": text, "status": 404}
    message = logging.LogRecord("app", logging.INFO, "", 0, "Said: %s", (text,), None)
    for record in (request, message):
        for formatter in (JsonLines(), ReadableLines()):
            line = formatter.format(record)
            assert line.isprintable(), ascii(line)
            assert "forged" in line
    line = _line((0.0, logging.INFO, {"path": text}))
    assert line[:-1].isprintable()
    assert json.loads(line)["path"].isprintable()


def test_a_traceback_keeps_its_lines_and_nothing_else() -> None:
    try:
        raise ValueError("forged\x1b[2J\u202e")
    except ValueError:
        record = logging.LogRecord("app", logging.ERROR, "", 0, "it broke", None, sys.exc_info())
    lines = ReadableLines().format(record).split("\n")
    assert lines[0] == "ERROR:    it broke"
    assert lines[1].startswith("Traceback")
    assert all(line.isprintable() for line in lines)


def test_a_forged_line_in_a_path_stays_in_its_line(tmp_path: Path, database: Database) -> None:
    environment = {"DATABASE_URL": database.server_url, "BETTER_AUTH_SECRET": SECRET}
    with started(
        ["todo-api", "serve", "--port", "{port}"], {**environment, "DEBUG": "1"}, tmp_path
    ) as server:
        server.wait_until_ready()
        for odd in ("%0AINFO:%20forged", "%0D", "%1b[2J", "%07", "%E2%80%A8", "%E2%80%AE"):
            server.get(f"/x{odd}")
        server.stop(signal.SIGTERM)
    assert "forged" in server.said
    assert all(line.isprintable() for line in server.said.split("\n"))
    assert not any(line.startswith("INFO: forged") for line in server.said.split("\n"))
