"""Servers of a rehearsal: started as in production, stopped and started anew; and a balancer."""

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from scripts.rehearse.clients import status_of

SECRET = "0123456789abcdef0123456789abcdef-rehearse"
"""What the servers verify tokens with."""

DEPLOYED = Path(__file__).parents[2] / "deploy" / "haproxy.cfg"

COMMAND = Path(sys.executable).with_name("todo-api")
"""`todo-api` as it is here."""

PATIENCE = 120.0
"""Seconds that a server is given to be ready."""

HAPROXY = """
defaults
  mode http
  timeout connect 2s
  timeout client 30s
  timeout server 30s
frontend api
  bind 127.0.0.1:{port}
  default_backend servers
backend servers
  option httpchk GET /ready
  http-reuse {reuse}
  default-server check inter 500ms fall 2 rise 1 pool-purge-delay 2s
"""
"""Connections that wait to be reused are closed before the server would close them."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class NotServing(Exception):
    """A server ended, or was not ready in time."""


class Server:
    """A server on a port of its own, and what it logs in a file."""

    def __init__(
        self,
        url: str,
        folder: Path,
        workers: int,
        settings: Mapping[str, str],
        program: Path = COMMAND,
    ) -> None:
        """`url`: the database's. `program`: `todo-api`, of this release or another."""
        self.port = free_port()
        self.program = program
        self.log = folder / f"server-{self.port}.log"
        self._workers = workers
        environment = {"DATABASE_URL": url, "BETTER_AUTH_SECRET": SECRET, **settings}
        self._environment = {**os.environ, **environment}
        self._process = self._start()

    async def wait_until_ready(self) -> None:
        """Wait until `/ready` is 200.

        Raises:
            NotServing: it has ended, or is not ready in time.
        """
        try:
            async with asyncio.timeout(PATIENCE):
                while self._process.poll() is None:
                    with suppress(OSError, EOFError):
                        if await status_of(self.port, "/ready") == 200:
                            return
                    await asyncio.sleep(0.1)
        except TimeoutError:
            pass
        raise NotServing(f"see {self.log}")

    async def restart(self, settings: Mapping[str, str] | None = None) -> None:
        """Stop the server as systemd or Kubernetes does, and start it anew on its port.

        `settings`: those that change; an empty one is as one that is not set.
        """
        self._environment.update(settings or {})
        self._process.send_signal(signal.SIGTERM)
        await asyncio.to_thread(self._process.wait)
        self._process = self._start()
        await self.wait_until_ready()

    def kill(self) -> None:
        """End it at once, with its workers."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def _start(self) -> subprocess.Popen[bytes]:
        words = ["serve", "--port", str(self.port), "--workers", str(self._workers)]
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [self.program, *words],
                env=self._environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )


def _deployed(ports: Sequence[int], port: int) -> str:
    """Return the configuration that is given to operators, for these servers."""
    text = DEPLOYED.read_text().replace("bind :8080", f"bind 127.0.0.1:{port}")
    servers = [f"    server s{each} 127.0.0.1:{each}\n" for each in ports]
    return re.sub(r"(?m)(?:^    server .*\n)+", "".join(servers), text)


@contextmanager
def haproxy(ports: Sequence[int], folder: Path, reuse: str | None) -> Iterator[int]:
    """Run HAProxy in front of servers; yield its port.

    `reuse`: what `http-reuse` is set to; None for the configuration of the folder `deploy`.
    """
    port = free_port()
    lines = [f"  server s{each} 127.0.0.1:{each}\n" for each in ports]
    file = folder / "haproxy.cfg"
    file.write_text(
        _deployed(ports, port)
        if reuse is None
        else HAPROXY.format(port=port, reuse=reuse) + "".join(lines)
    )
    command = ["haproxy", "-db", "-f", str(file)]
    with (folder / "haproxy.log").open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        while not _is_open(port):
            if process.poll() is not None:
                raise NotServing(f"see {log.name}")
            time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait()
