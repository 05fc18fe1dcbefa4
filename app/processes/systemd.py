"""What systemd is told where it started this process as a service with `Type=notify`."""

import os
import socket
import time
from collections.abc import Mapping
from contextlib import suppress


class Systemd:
    """Tells systemd of a service, as sd_notify(3) has it; silent where it is no service."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        """`environment`: what systemd gave the process."""
        address = environment.get("NOTIFY_SOCKET", "")
        # A name that begins with "@" lies in Linux's abstract namespace.
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._pause = int(environment.get("WATCHDOG_USEC", "0")) / 2_000_000
        self._next = 0.0
        self._is_ready = False

    def ready(self) -> None:
        """Say that the service serves; that is said once."""
        if not self._is_ready:
            self._is_ready = True
            self._send("READY=1")

    def stopping(self) -> None:
        """Say that the service has begun to stop."""
        self._send("STOPPING=1")

    def alive(self) -> None:
        """Say that the service works, twice in the time after which systemd would end it."""
        if self._pause and time.monotonic() >= self._next:
            self._next = time.monotonic() + self._pause
            self._send("WATCHDOG=1")

    def _send(self, state: str) -> None:
        if not self._address:
            return
        # A server works also where nobody reads what it says.
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.setblocking(False)
            sender.sendto(state.encode(), self._address)
