"""`python -m benchmarks`: what a request costs the server, beside variants of it and other servers.

The figure to trust is the CPU time of the server's process for a request: it is much the same on a
busy machine, where requests a second and latencies are not.
"""

import json
import os
import platform
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.chunks import ratio
from benchmarks.data import filled_database
from benchmarks.endurance import Moment, endurance, endurance_table, starts
from benchmarks.figures import median, tables
from benchmarks.flatness import Point, flatness, flatness_table
from benchmarks.latency import Latency, latencies, latency_table
from benchmarks.load import CONNECTIONS, has_wrk
from benchmarks.measuring import Figure, measure
from benchmarks.plot import bars
from benchmarks.profiling import hot_functions
from benchmarks.servers import Subject, our_server, peer
from benchmarks.sockets import allow_files, arrival, idle
from benchmarks.workload import ASKING, NAMES, OPERATIONS, TASKS_EACH, Operation, asked

OURS = "Todo API"
RESULTS = Path(__file__).parent / "results"

Users = Annotated[int, typer.Option(min=2 * ASKING, help=f"Users, with {TASKS_EACH} tasks each.")]
Seconds = Annotated[float, typer.Option(help="How long is measured, each time.")]
Folder = Annotated[
    Path | None, typer.Option(help="Where databases are kept for the next time, else thrown away.")
]
Results = Annotated[Path, typer.Option(help="Where the tables and plots go.")]
Variants = Annotated[
    list[str] | None,
    typer.Option("--variant", help="This server with other settings: NAME:SETTING=VALUE,…"),
]
Peers = Annotated[
    list[str] | None,
    typer.Option("--peer", help="Another server that runs here: NAME=PORT or NAME=PORT:WORDS"),
]

cli = typer.Typer(add_completion=False, pretty_exceptions_enable=False, help=__doc__)


@cli.command()
def run(
    users: Users = 2_000,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds; medians are shown.")] = 3,
    seconds: Seconds = 4,
    variants: Variants = None,
    peers: Peers = None,
    workers: Annotated[
        list[int] | None, typer.Option(help="This server with so many workers, too.")
    ] = None,
    folder: Folder = None,
    results: Results = RESULTS,
) -> None:
    """Measure all operations, of all servers by turns; write tables and a plot."""
    figures: list[Figure] = []
    with _subjects(folder, users, variants, peers, workers) as subjects:
        for number in range(rounds):
            for operation in OPERATIONS:
                for subject in subjects[:: -1 if number % 2 else 1]:
                    figure = measure(subject, operation, users=users, seconds=seconds)
                    typer.echo(f"{number + 1}/{rounds} {figure}", err=True)
                    figures.append(figure)
    shown = [subject.name for subject in subjects]
    cpu = {name: [median(figures, name, each, "cpu") for each in NAMES] for name in shown}
    about = f"{users * TASKS_EACH:,} tasks; medians of {rounds} rounds of {seconds:g} s"
    conditions = _conditions(about)
    _write(results, "speed", figures, f"{tables(figures, OURS)}\n{conditions}")
    (results / "speed.svg").write_text(bars("Server CPU, µs a request", NAMES, cpu))


@cli.command()
def flat(
    tables_of: Annotated[
        list[int], typer.Option("--tasks", help="How many tasks the table has; may be repeated.")
    ] = [10_000, 100_000, 1_000_000],  # noqa: B006 -- Typer copies it
    seconds: Seconds = 2,
    folder: Folder = None,
    results: Results = RESULTS,
) -> None:
    """Measure pages of short and long lists, in small and large tables."""
    points: list[Point] = []
    with _home(folder) as home:
        for size in tables_of:
            for point in flatness(home, size, seconds=seconds):
                typer.echo(str(point), err=True)
                points.append(point)
    about = _conditions(f"{seconds:g} s each")
    _write(results, "flat", points, f"{flatness_table(points)}\n{about}")


@cli.command()
def memory(
    minutes: Annotated[float, typer.Option(help="How long the load lasts.")] = 60,
    users: Users = 2_000,
    variants: Variants = None,
    folder: Folder = None,
    results: Results = RESULTS,
) -> None:
    """Watch this server's memory under all operations at once."""
    name, settings = _variant(variants[0]) if variants else (OURS, {})
    moments: list[Moment] = []
    with (
        _home(folder) as home,
        filled_database(home, users) as url,
        our_server(name, url, settings) as subject,
    ):
        for moment in endurance(subject, users=users, seconds=minutes * 60):
            typer.echo(str(moment), err=True)
            moments.append(moment)
    about = _conditions(f"{moments[-1].requests:,} requests")
    _write(results, "memory", moments, f"{endurance_table(moments)}\n{about}")


@cli.command()
def start(
    times: Annotated[int, typer.Option(min=1, help="How often it is started.")] = 10,
    variants: Variants = None,
    folder: Folder = None,
) -> None:
    """Say how long this server takes from the command to its first answer."""
    name, settings = _variant(variants[0]) if variants else (OURS, {})
    with _home(folder) as home, filled_database(home, 2 * ASKING) as url:
        took, cpu = zip(*starts(url, times, settings), strict=True)
    typer.echo(
        f"{name}: {statistics.median(took):.2f} s to the first answer, "
        f"{statistics.median(cpu):.2f} s of CPU; the fastest of {times} starts {min(took):.2f} s"
    )


@cli.command()
def live(
    sockets: Annotated[int, typer.Option(min=1, help="Sockets that only wait.")] = 5_000,
    followers: Annotated[int, typer.Option(min=1, help="Users whose tasks change.")] = 1_000,
    rate: Annotated[float, typer.Option(min=1, help="Changes a second.")] = 200,
    users: Users = 2_000,
    seconds: Seconds = 10,
    variants: Variants = None,
    folder: Folder = None,
) -> None:
    """Say what a waiting socket costs one worker, and how soon changes arrive."""
    name, settings = _variant(variants[0]) if variants else (OURS, {})
    allow_files()
    with _home(folder) as home, filled_database(home, users) as url:
        with our_server(name, url, settings) as subject:
            took = arrival(subject, followers, users=users, rate=rate, seconds=seconds)
        with our_server(name, url, settings) as subject:
            cost = idle(subject, sockets, users=users)
    typer.echo(
        f"{name}: a change arrives {took.p50:.1f} ms (p50) and {took.p99:.1f} ms (p99) after its "
        f"transaction began, at {took.sockets:,} sockets and {took.rate:.0f} changes a second; "
        f"each of {cost.sockets:,} sockets that wait takes {cost.kib:.1f} KiB"
    )


@cli.command()
def latency(
    operation: Annotated[str, typer.Option(help="Its name, as in the table.")] = "one task",
    users: Users = 2_000,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds, in which servers take turns.")] = 3,
    seconds: Seconds = 4,
    variants: Variants = None,
    peers: Peers = None,
    folder: Folder = None,
    results: Results = RESULTS,
) -> None:
    """Measure latencies at fixed rates: at parts of what each server can do."""
    asked_for, measured = _operation(operation), list[Latency]()
    with _subjects(folder, users, variants, peers) as subjects:
        found = latencies(subjects, asked_for, users=users, rounds=rounds, seconds=seconds)
        for each in found:
            typer.echo(str(each), err=True)
            measured.append(each)
    about = _conditions(f"{operation}; {rounds} rounds of {seconds:g} s")
    _write(results, "latency", measured, f"{latency_table(measured)}\n{about}")


@cli.command()
def compare(
    variant: Annotated[str, typer.Argument(help="Other settings: NAME:SETTING=VALUE,…")],
    operation: Annotated[str, typer.Option(help="Its name, as in the table.")] = "one task",
    users: Users = 2_000,
    chunks: Annotated[int, typer.Option(min=2, help="Turns of each of the two.")] = 1000,
    folder: Folder = None,
) -> None:
    """Say what other settings cost, by the two by turns, some milliseconds at a time."""
    name, settings = _variant(variant)
    with _home(folder) as home, filled_database(home, users) as url:
        found = ratio(url, _operation(operation), settings, users=users, chunks=chunks)
    typer.echo(
        f"{name}, {operation}: {found.median:.3f} times the CPU of {found.usual:.0f} µs a request; "
        f"half of the ratios lie from {found.lower:.3f} to {found.upper:.3f}"
    )


@cli.command()
def profile(
    operation: Annotated[str, typer.Argument(help="Its name, as in the table.")] = "list of 50",
    users: Users = 2_000,
    seconds: Seconds = 5,
    variants: Variants = None,
    folder: Folder = None,
) -> None:
    """Say in which functions this server's time goes, by py-spy."""
    found = _operation(operation)
    name, settings = _variant(variants[0]) if variants else (OURS, {})
    with (
        _home(folder) as home,
        filled_database(home, users) as url,
        our_server(name, url, settings) as subject,
    ):
        # First the answers are checked.
        measure(subject, found, users=users, seconds=1)
        requests = list(asked(found, users, subject.words).values())
        typer.echo(hot_functions(subject, requests, seconds))


@contextmanager
def _home(folder: Path | None) -> Iterator[Path]:
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as made:
        yield Path(made)


@contextmanager
def _subjects(
    folder: Path | None,
    users: int,
    variants: list[str] | None,
    peers: list[str] | None,
    workers: Sequence[int] | None = None,
) -> Iterator[list[Subject]]:
    """Start this server as it is, with other settings, with more workers, and find the others."""
    settings = dict([(OURS, {}), *map(_variant, variants or [])])
    with _home(folder) as home, filled_database(home, users) as url, ExitStack() as stack:
        ours = [our_server(name, url, settings[name]) for name in settings]
        ours += [our_server(f"{each} workers", url, {}, workers=each) for each in workers or []]
        yield [
            *map(stack.enter_context, ours),
            *map(peer, peers or []),
        ]


def _variant(given: str) -> tuple[str, dict[str, str]]:
    name, _, settings = given.partition(":")
    pairs = [setting.partition("=") for setting in settings.split(",")]
    if not name or not all(key and equals for key, equals, _ in pairs):
        raise typer.BadParameter(f"{given!r} is not NAME:SETTING=VALUE,…")
    return name, {key: value for key, _, value in pairs}


def _operation(name: str) -> Operation:
    found = [each for each in OPERATIONS if each.name == name]
    if not found:
        raise typer.BadParameter(f"{name!r} is none of {', '.join(NAMES)}")
    return found[0]


def _conditions(about: str) -> str:
    return (
        f"Python {platform.python_version()}, "
        f"{os.cpu_count()} cores for all; {CONNECTIONS} connections by "
        f"{'wrk' if has_wrk() else 'asyncio'}; {about}."
    )


def _write(results: Path, name: str, measured: Sequence[Any], text: str) -> None:
    """Write what was measured, as JSON and for people, and print the latter."""
    results.mkdir(parents=True, exist_ok=True)
    lines = ",\n".join(json.dumps(_rounded(each)) for each in measured)
    (results / f"{name}.json").write_text(f"[\n{lines}\n]\n")
    (results / f"{name}.md").write_text(text + "\n")
    typer.echo(text)


def _rounded(measured: Any) -> dict[str, Any]:  # noqa: ANN401 -- a dataclass's instance
    values = asdict(measured).items()
    return {name: round(value, 3) if isinstance(value, float) else value for name, value in values}


if __name__ == "__main__":
    cli()
