"""The options of a client: how many connections, and how long anything may take, in seconds."""

import logging
from dataclasses import dataclass

from pipelined_postgres.pooler import Pooler


@dataclass(frozen=True, slots=True)
class Options:
    """What a client is told once. All times are in seconds."""

    connections_max: int = 8
    """Connections that are opened at most, each when it is needed."""
    wait_timeout: float = 2.0
    """How long a call may wait for a place, or behind another call that takes too long."""
    connect_timeout: float = 10.0
    """How long opening a connection may take, its preparation included."""
    statement_timeout: float = 5.0
    """How long PostgreSQL lets a statement run. It must be set there: this does not set it."""
    grace: float = 1.0
    """How much later PostgreSQL must have said that it ended a statement."""
    lifetime: float = 240.0
    """How old a connection becomes at most; then it takes no more calls, and is closed."""
    prepared_statements: bool = True
    """Prepare each statement once on each connection."""
    prepared_max: int = 100
    """Statements that are prepared on a connection at once: more than calls in its window.

    For one more, the one is dropped that has not been used for longest.
    """
    advice_without_prepared_statements: str = "Turn the option prepared_statements off."
    """A sentence for the log, where prepared statements turn out to get lost on the way."""
    advice_without_pipelining: str = "Set the option pooler to Pooler.SINGLE."
    """A sentence for the log, where answers turn out to come for other calls."""
    window: int = 64
    """Calls sent on one connection and not answered; those beyond wait here."""
    window_through_pooler: int = 16
    """The same through a pooler that is `Pooler.PIPELINED`. Through others it is one call."""
    pooler: Pooler | None = None
    """What is in between; None: it is recognised whenever a connection is opened."""
    waiting_max: int = 1000
    """Calls that wait for a place in a window; those beyond are refused at once."""
    coalesced_max: int = 8
    """Calls not answered on a connection up to which it is sent more reads in the same turn."""
    stalled_after: float = 0.2
    """After so long a call holds up its connection: new calls avoid it, reads go elsewhere."""
    reconnect_pause: float = 0.1
    """How long to wait after a connection could not be had; each further time twice as long."""
    reconnect_pause_max: float = 2.0
    level: int = logging.WARNING
    """The level at which it is logged that a connection could not be had."""
