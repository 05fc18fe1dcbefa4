"""The benchmarks measure, and refuse to measure what answers wrongly."""

import asyncio
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from benchmarks import __main__ as benchmarks
from benchmarks.load import WrongAnswer, ask_for, http_request
from benchmarks.workload import OPERATIONS
from tests.api import Server


def test_every_operation_is_measured(data_folder: Path) -> None:
    arguments = ["run", "--users", "500", "--rounds", "1", "--seconds", "0.2"]
    arguments += ["--variant", "plain:COMPILE_OPERATIONS=false,DATABASE_PIPELINE=false"]
    arguments += ["--folder", str(data_folder), "--results", str(data_folder / "results")]
    told = CliRunner().invoke(benchmarks.cli, arguments, catch_exceptions=False)
    assert told.exit_code == 0, told.output
    figures = json.loads((data_folder / "results" / "figures.json").read_text())
    assert len(figures) == 2 * len(OPERATIONS)
    assert all(figure["rate"] > 0 for figure in figures)
    assert "list of 50" in (data_folder / "results" / "table.md").read_text()
    assert "plain" in (data_folder / "results" / "plot.svg").read_text()


def test_a_wrong_answer_is_not_measured(server: Server) -> None:
    port = int(server.url.rpartition(":")[2])
    request = http_request(OPERATIONS[0].body("1", peer=False), "no token")
    with pytest.raises(WrongAnswer):
        asyncio.run(ask_for(0.1, port, [request]))
