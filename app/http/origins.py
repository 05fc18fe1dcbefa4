"""Origins: whose pages may call this server."""

import logging
import re
import time
from collections.abc import Callable, Collection
from ipaddress import ip_address

from starlette.types import Scope

from app.telemetry.repeated import Repeated

logger = logging.getLogger(__name__)

THIS_MACHINE = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(:\d+)?", re.ASCII)
"""Names of this machine that no other site can take on, with any port."""

NO_FOREIGN_NAME = re.compile(
    r"(localhost|\d{1,3}(\.\d{1,3}){3}|\[[0-9a-f:.]+\])(:\d+)?", re.ASCII | re.IGNORECASE
)
"""Hosts that nobody's name server can lead elsewhere."""


BY_PROXY = {b"forwarded", b"via", b"x-forwarded-for", b"x-forwarded-host", b"x-real-ip"}
"""Headers that a proxy adds."""


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
        self._repeated = Repeated(logger, clock)

    def allow(self, scope: Scope) -> bool:
        """Return whether a request may be answered to the page that sent it; log a refusal.

        A request of no page may be, and one of a page of this server itself, where that is known:
        by any name but `localhost`, the page may be another's whose name was led here since.
        """
        headers = dict(scope["headers"])
        given = headers.get(b"origin")
        if given is None:
            return True
        origin, host = given.decode("latin-1"), headers.get(b"host", b"").decode("latin-1")
        is_own = origin.partition("://")[2] == host and NO_FOREIGN_NAME.fullmatch(host)
        if is_own or self.allow_other(origin):
            return True
        self._repeated.log(
            logging.WARNING,
            f"Refused a page of {origin[:200]!a}: it is not in CORS_ORIGINS.",
        )
        return False

    def allow_other(self, origin: str) -> bool:
        """Return whether pages of an origin that is not this server's may call."""
        if "*" in self.named or origin in self.named:
            return True
        scheme, _, host = origin.partition("://")
        return self._this_machine and scheme == "http" and bool(THIS_MACHINE.fullmatch(host))


def is_of_this_machine(scope: Scope) -> bool:
    """Return whether a program on this machine asks, by a name that no other site can take on.

    A proxy on this machine asks for somebody else.
    """
    headers = dict(scope["headers"])
    host = headers.get(b"host", b"").decode("latin-1")
    if scope["client"] is None or not THIS_MACHINE.fullmatch(host) or BY_PROXY & headers.keys():
        return False
    try:
        return ip_address(scope["client"][0]).is_loopback
    except ValueError:
        return False
