"""How far a server is on its way to stop: requests are answered, and clients are led elsewhere."""

SOCKETS_PER_SECOND = 100
"""WebSockets that a server closes in a second when it stops, unless it has no time for that."""


class Draining:
    """What the answers and connections of a server have to know of its end."""

    def __init__(self) -> None:
        self.is_leaving = False
        """Whether `/ready` says that nothing more is to be sent here."""
        self.closes_connections = False
        """Whether each answer ends its connection."""
        self.closes_sockets = False
        """Whether WebSockets are closed."""
        self.sockets = 0
        """How many WebSockets there are."""
        self._pause = self._next = 0.0

    def begin(self, *, is_leaving: bool = True) -> None:
        """Lead clients elsewhere. `is_leaving`: not to this server's other workers."""
        self.is_leaving = is_leaving
        self.closes_connections = True

    def spread(self, seconds: float) -> None:
        """Have the sockets be closed one after the other, in so many seconds at most.

        The clients come back at once: they must not all come to another server together.
        """
        self.closes_sockets = True
        self._pause = min(1 / SOCKETS_PER_SECOND, seconds / max(1, self.sockets))

    def next_turn(self) -> float:
        """Return in how many seconds the next socket is to be closed."""
        turn = self._next
        self._next += self._pause
        return turn
