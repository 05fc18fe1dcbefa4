"""`python -m benchmarks`: what a request costs the server, beside variants of it and other servers.

The figure to trust is the CPU time of the server's process for a request: it is the same on a busy
machine, where requests a second and latencies are not. Rounds are interleaved; medians are shown.
"""

import asyncio
import json
import os
import platform
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import psutil
import typer

from auth.tokens import make_token
from benchmarks.data import filled_database
from benchmarks.load import WrongAnswer, ask_for, ask_once, http_request
from benchmarks.plot import bars
from benchmarks.workload import OPERATIONS, READERS, TASKS_EACH, Operation, task_id, user_id

SECRET = "0123456789abcdef0123456789abcdef-peers"  # noqa: S105 -- of no other server
RESULTS = Path(__file__).parent / "results"

cli = typer.Typer(add_completion=False, help=__doc__)


@dataclass(frozen=True)
class Subject:
    """A server under measurement."""

    name: str
    port: int
    process: psutil.Process
    is_peer: bool

    def cpu(self) -> float:
        """Return the seconds of CPU that it has used, its children's among them."""
        processes = [self.process, *self.process.children(recursive=True)]
        times = [process.cpu_times() for process in processes]
        return sum(spent.user + spent.system for spent in times)


@dataclass(frozen=True)
class Figure:
    """One operation on one server for some seconds."""

    subject: str
    operation: str
    cpu: float
    """Microseconds of the server's CPU a request."""
    rate: float
    """Requests a second."""
    p50: float
    """Milliseconds."""
    p99: float
    """Milliseconds."""


@contextmanager
def our_server(
    name: str, database_url: str, port: int, settings: dict[str, str]
) -> Iterator[Subject]:
    """Start this server as in production, with one worker."""
    environment = {
        **os.environ,
        "DATABASE_URL": database_url,
        "BETTER_AUTH_SECRET": SECRET,
        **settings,
    }
    process = subprocess.Popen(  # noqa: S603 -- it is this program's own
        [Path(sys.executable).with_name("todo-api"), "serve", "--port", str(port)],
        env=environment,
        stderr=subprocess.DEVNULL,
    )
    try:
        request = _requests(OPERATIONS[0], READERS, peer=False)[0]
        deadline = time.monotonic() + 30
        while True:
            try:
                asyncio.run(ask_once(port, request))
                break
            except OSError:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise typer.Exit(1) from None
                time.sleep(0.02)
        yield Subject(name, port, psutil.Process(process.pid), is_peer=False)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def peer(name: str, port: int) -> Subject:
    """Find a server that is running already, by its port."""
    for connection in psutil.net_connections("tcp"):
        if connection.laddr and connection.laddr.port == port and connection.status == "LISTEN":
            assert connection.pid is not None
            return Subject(name, port, psutil.Process(connection.pid), is_peer=True)
    raise typer.BadParameter(f"nobody listens on port {port}")


def _requests(operation: Operation, users: int, *, peer: bool) -> list[bytes]:
    first = READERS if operation.writes else 0
    tokens = [
        make_token(
            SECRET,
            user_id=user_id(first + user),
            lifetime=timedelta(hours=6),
            issuer=None,
            audience=None,
        )
        for user in range(READERS)
    ]
    return [
        http_request(
            operation.body(task_id(first + n % READERS, n * 37 % TASKS_EACH, users), peer=peer),
            tokens[n % READERS],
        )
        for n in range(10 * READERS)
    ]


def _measure(subject: Subject, operation: Operation, users: int, seconds: float) -> Figure:
    requests = _requests(operation, users, peer=subject.is_peer)
    data = asyncio.run(ask_once(subject.port, requests[0]))
    if not operation.is_right(data):
        raise WrongAnswer(f"{subject.name}, {operation.name}: {data}")
    asyncio.run(ask_for(seconds / 4, subject.port, requests))
    before = subject.cpu()
    load = asyncio.run(ask_for(seconds, subject.port, requests))
    return Figure(
        subject.name,
        operation.name,
        (subject.cpu() - before) / len(load.latencies) * 1e6,
        load.rate,
        load.percentile(50),
        load.percentile(99),
    )


def table(figures: list[Figure]) -> str:
    """Return the medians as a table in Markdown, a row for each server."""
    subjects = list(dict.fromkeys(figure.subject for figure in figures))
    names = [operation.name for operation in OPERATIONS]
    lines = []
    for title, attribute in (
        ("server CPU, µs a request", "cpu"),
        ("requests a second", "rate"),
        ("p99, ms", "p99"),
    ):
        lines += [f"| {title} | {' | '.join(names)} |", "|---" + "|---:" * len(names) + "|"]
        for subject in subjects:
            cells = [f"{median(figures, subject, name, attribute):,.0f}" for name in names]
            lines.append(f"| {subject} | {' | '.join(cells)} |")
        lines.append("")
    return "\n".join(lines)


def median(figures: list[Figure], subject: str, operation: str, attribute: str) -> float:
    values: list[float] = [
        getattr(figure, attribute)
        for figure in figures
        if (figure.subject, figure.operation) == (subject, operation)
    ]
    return statistics.median(values)


@cli.command()
def run(
    users: Annotated[int, typer.Option(help="Users, each with 100 tasks.")] = 10_000,
    rounds: Annotated[int, typer.Option(help="Rounds; medians are shown.")] = 3,
    seconds: Annotated[float, typer.Option(help="How long each operation is asked for.")] = 4,
    variant: Annotated[
        list[str] | None,
        typer.Option(help="This server with other settings: NAME:SETTING=VALUE,…"),
    ] = None,
    peers: Annotated[
        list[str] | None,
        typer.Option("--peer", help="Another server that is running: NAME=PORT"),
    ] = None,
    folder: Annotated[
        Path | None, typer.Option(help="Where the database is kept; a new one when left out.")
    ] = None,
    results: Annotated[Path, typer.Option(help="Where the table and the plot go.")] = RESULTS,
) -> None:
    """Measure, and write the table and the plot."""
    wanted = {"Todo API": dict[str, str]()}
    for given in variant or []:
        name, _, settings = given.partition(":")
        wanted[name] = dict(setting.split("=", 1) for setting in settings.split(","))
    figures: list[Figure] = []
    with ExitStack() as stack:
        home = folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        url = stack.enter_context(filled_database(home, users))
        subjects = [
            stack.enter_context(our_server(name, url, 8700 + n, settings))
            for n, (name, settings) in enumerate(wanted.items())
        ]
        for given in peers or []:
            name, _, port = given.rpartition("=")
            subjects.append(peer(name, int(port)))
        for number in range(rounds):
            for operation in OPERATIONS:
                for subject in subjects:
                    figures.append(_measure(subject, operation, users, seconds))
                    typer.echo(f"{number + 1}/{rounds} {figures[-1]}", err=True)
    results.mkdir(exist_ok=True)
    written = table(figures)
    about = (
        f"Python {platform.python_version()}, {os.cpu_count()} cores, {users * TASKS_EACH:,} tasks"
    )
    (results / "table.md").write_text(f"{written}\n{about}, {rounds} rounds of {seconds:g} s.\n")
    cpu = {
        subject.name: [
            median(figures, subject.name, operation.name, "cpu") for operation in OPERATIONS
        ]
        for subject in subjects
    }
    plot = bars("Server CPU, µs a request", [operation.name for operation in OPERATIONS], cpu)
    (results / "plot.svg").write_text(plot)
    (results / "figures.json").write_text(
        json.dumps([vars(figure) for figure in figures], indent=1)
    )
    typer.echo(written)


@cli.command()
def profile(
    operation: Annotated[str, typer.Argument(help="Its name, as in the table.")] = "list of 50",
    users: Annotated[int, typer.Option(help="Users, each with 100 tasks.")] = 1000,
    seconds: Annotated[float, typer.Option(help="How long it is asked for.")] = 5,
) -> None:
    """Say where this server's time goes, by py-spy (`uvx py-spy`)."""
    (asked,) = (each for each in OPERATIONS if each.name == operation)
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as folder,
        filled_database(Path(folder), users) as url,
        our_server("Todo API", url, 8700, {}) as subject,
    ):
        record = Path(folder) / "stacks.txt"
        command = ["uvx", "py-spy", "record", "--pid", str(subject.process.pid), "--duration"]
        command += [str(int(seconds)), "--rate", "400", "--format", "raw", "--output", str(record)]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as spy:  # noqa: S603
            time.sleep(2)
            asyncio.run(ask_for(seconds + 2, subject.port, _requests(asked, users, peer=False)))
            spy.wait()
        counted: dict[str, int] = {}
        for line in record.read_text().splitlines():
            stack, _, count = line.rpartition(" ")
            function = stack.rpartition(";")[2]
            counted[function] = counted.get(function, 0) + int(count)
        total = sum(counted.values())
        for function in sorted(counted, key=counted.__getitem__, reverse=True)[:30]:
            typer.echo(f"{counted[function] / total:6.1%}  {function}")


if __name__ == "__main__":
    cli()
