"""Measuring: a sample of the answers must be right first, and none may fail after that."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import psutil

from benchmarks.load import Load, Request, WrongAnswer, answers, load
from benchmarks.servers import Cpu, Subject
from benchmarks.workload import Operation, asked

SAMPLE = 20
"""One answer in so many is looked into."""

SMALLEST = 0.8
"""No right answer is smaller than this part of the smallest in the sample."""


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


@dataclass(frozen=True)
class Cost:
    """What a request cost, in microseconds of CPU."""

    load: Load
    server: float
    database: float = 0.0


def measure(subject: Subject, operation: Operation, *, users: int, seconds: float) -> Figure:
    """Ask the server for so many seconds.

    Raises:
        WrongAnswer: an answer is wrong.
        ConnectionError: one did not come.
    """
    requests = asked(operation, users, subject.words)
    smallest = _smallest_right_answer(subject, operation, requests)
    cost = cost_of(list(requests.values()), subject, smallest, seconds)
    done = cost.load
    return Figure(subject.name, operation.name, cost.server, done.rate, done.p50, done.p99)


def cost_of(
    requests: Sequence[Request],
    subject: Subject,
    smallest: int,
    seconds: float,
    *,
    database: psutil.Process | None = None,
) -> Cost:
    """Ask for these by turns, after a quarter of the time to warm up.

    Raises:
        WrongAnswer: an answer is smaller than `smallest`, or has errors.
        ConnectionError: one did not come.
    """
    watched = [subject.process] if database is None else [subject.process, database]
    load(subject.port, requests, seconds / 4, smallest=smallest)
    before = [Cpu.of(process) for process in watched]
    done = load(subject.port, requests, seconds, smallest=smallest)
    spent = [
        Cpu.of(process).since(earlier) / done.requests * 1e6
        for process, earlier in zip(watched, before, strict=True)
    ]
    return Cost(done, *spent)


def _smallest_right_answer(
    subject: Subject, operation: Operation, requests: Mapping[str, Request]
) -> int:
    """Return the bytes that an answer has at least."""
    sample = list(requests)[::SAMPLE]
    bodies = answers(subject.port, [requests[task] for task in sample])
    for task, body in zip(sample, bodies, strict=True):
        if not operation.is_right(json.loads(body)["data"], task):
            told = body[:300].decode(errors="replace")
            raise WrongAnswer(f"{subject.name}, {operation.name}: {told}")
    return int(SMALLEST * min(map(len, bodies)))
