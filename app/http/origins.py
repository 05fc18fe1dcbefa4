"""Origins: whose pages may call this server."""

import logging
import re
import time
from collections.abc import Callable, Collection
from ipaddress import ip_address

from starlette.types import Scope

logger = logging.getLogger(__name__)

THIS_MACHINE = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(:\d+)?", re.ASCII)
"""Names of this machine that no other site can take on, with any port."""

LOG_INTERVAL = 60.0
"""Seconds between two lines in the log about one refused origin."""

LOGGED_MAX = 1000
"""Refused origins that are remembered; if there are more, they are logged again sooner."""


class Origins:
    """The origins whose pages may call: those that are named, and maybe all of this machine."""

    def __init__(
        self,
        named: Collection[str],
        *,
        this_machine: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`clock`: in seconds."""
        self.named = named
        self._this_machine = this_machine
        self._clock = clock
        self._logged: dict[str, float] = {}

    def allow(self, scope: Scope) -> bool:
        """Return whether a request may be answered to the page that sent it; log a refusal.

        A request of no page, or of a page of this server itself, may be.
        """
        headers = dict(scope["headers"])
        given = headers.get(b"origin")
        if given is None:
            return True
        origin, host = given.decode("latin-1"), headers.get(b"host", b"").decode("latin-1")
        if origin.partition("://")[2] == host or self.allow_other(origin):
            return True
        self._log(origin)
        return False

    def allow_other(self, origin: str) -> bool:
        """Return whether pages of an origin that is not this server's may call."""
        if "*" in self.named or origin in self.named:
            return True
        scheme, _, host = origin.partition("://")
        return self._this_machine and scheme == "http" and bool(THIS_MACHINE.fullmatch(host))

    def _log(self, origin: str) -> None:
        now = self._clock()
        if now - self._logged.get(origin, -LOG_INTERVAL) >= LOG_INTERVAL:
            if len(self._logged) >= LOGGED_MAX:
                self._logged.clear()
            self._logged[origin] = now
            logger.warning("Refused a page of %s: it is not in CORS_ORIGINS.", ascii(origin[:200]))


def is_of_this_machine(scope: Scope) -> bool:
    """Return whether a program on this machine asks, by a name that no other site can take on."""
    host = dict(scope["headers"]).get(b"host", b"").decode("latin-1")
    if scope["client"] is None or not THIS_MACHINE.fullmatch(host):
        return False
    try:
        return ip_address(scope["client"][0]).is_loopback
    except ValueError:
        return False
