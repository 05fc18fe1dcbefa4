"""A call: one transaction, and where its rows go."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from hashlib import sha256
from typing import Any, Protocol


class Busy(TimeoutError):
    """No connection had room for a call in time, or a call before it took too long."""


class Statement:
    """SQL as PostgreSQL reads it, and the name that it is prepared under."""

    __slots__ = ("name", "text")

    def __init__(self, text: str) -> None:
        self.text = text.encode()
        self.name = b"pipelined_" + sha256(self.text).hexdigest()[:24].encode()


STATEMENTS_KEPT = 512
"""Statements of the same process that are not made anew when they are asked for again."""


@lru_cache(STATEMENTS_KEPT)
def statement(text: str) -> Statement:
    """Return the statement of this text. Those that were used last are kept."""
    return Statement(text)


Query = tuple[Statement, Sequence[bytes | None]]
"""A statement with its parameters as PostgreSQL's text."""


class Answer(Protocol):
    """Where a call's rows go: an asyncio.Future."""

    def done(self) -> bool: ...

    def cancelled(self) -> bool: ...

    def set_result(self, rows: list[Any], /) -> None: ...

    def set_exception(self, error: Exception, /) -> None: ...


class Call:
    """One transaction: its queries in order. The rows of the last one are its answer."""

    __slots__ = (
        "answer",
        "began",
        "dropped",
        "echo",
        "is_explicit",
        "make_row",
        "queries",
        "repeatable",
        "sent_twice",
        "tried_again",
        "unparsed",
    )

    def __init__(
        self,
        queries: Sequence[Query],
        make_row: Callable[[Sequence[Any]], Any],
        answer: Answer,
        began: float,
        *,
        repeatable: bool,
        echo: bytes | None = None,
        is_explicit: bool = False,
    ) -> None:
        self.queries = queries
        self.make_row = make_row
        self.answer = answer
        self.began = began
        self.repeatable = repeatable
        """It may run more than once, as a read may."""
        self.echo = echo
        """What its first query returns: with anything else, the answer is another call's."""
        self.is_explicit = is_explicit
        """Its queries stand between BEGIN and COMMIT, and not only between two syncs."""
        self.unparsed: Sequence[Statement] = ()
        """The statements that were sent to be parsed before its queries."""
        self.dropped: Sequence[bytes] = ()
        """The names of the statements that were dropped before that, to make room for them."""
        self.sent_twice = False
        """There is another call with the same queries and the same answer."""
        self.tried_again = False
        """It was undone once, and sent again."""

    def fail(self, error: Exception) -> None:
        if not self.answer.done():
            self.answer.set_exception(error)

    def twice(self) -> "Call":
        """Return another call that gives the same answer: whichever ends first gives it."""
        self.sent_twice = True
        twin = Call(
            self.queries,
            self.make_row,
            self.answer,
            self.began,
            repeatable=self.repeatable,
            echo=self.echo,
            is_explicit=self.is_explicit,
        )
        twin.sent_twice = True
        return twin
