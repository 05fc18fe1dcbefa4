"""The command that serves: by uvicorn, on the embedded PostgreSQL where no database is named.

It imports nothing of the application by itself: the process that starts workers needs none of it.
"""

import gc
import logging
import math
import signal
import socket
import sys
from importlib import import_module
from types import FrameType
from typing import Annotated, Any

import typer
import uvicorn
from uvicorn.config import LOGGING_CONFIG

from app.database.urls import refuse_unreadable
from app.http.sizes import MESSAGE_MAX_BYTES
from app.metrics_address import listen_for_metrics
from app.processes.server import Server, Shutdown
from app.processes.systemd import Systemd
from app.processes.worker import Lifetime
from app.processes.workers import STARTUP_FAILED, Workers
from app.settings import GRAPHQL_PATH, Settings, misspelt_settings, settings_or_exit
from app.telemetry.gathering import MainProcess
from app.telemetry.log import UVICORN_LOGS_JSON

APPLICATION = "app.asgi:app"
FACTORY = "app.factory:create_app"
"""What makes the application of a worker among several, which is told where it leaves numbers."""

logger = logging.getLogger("uvicorn.error")


def serve(
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port to listen on.")] = 8000,
    workers: Annotated[int, typer.Option(min=1, help="How many worker processes.")] = 1,
    reload: Annotated[
        bool, typer.Option("--reload", help="Restart when the code changes.")
    ] = False,
) -> None:
    """Serve the API; with no DATABASE_URL, on an embedded PostgreSQL."""
    settings = settings_or_exit(to_serve=True)
    refuse_unreadable(settings)
    _require_free(host, port)
    for sentence in misspelt_settings():
        sys.stderr.write(f"todo-api: {sentence}\n")
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _exit)
    if settings.database_url is not None:
        _run_server(settings, host, port, workers, reload=reload)
        return
    development = import_module("app.development")
    with development.development(settings) as started:
        typer.echo(development.banner(started, f"http://{host}:{port}{GRAPHQL_PATH}"))
        _run_server(settings, host, port, workers, reload=reload)


def _run_server(settings: Settings, host: str, port: int, workers: int, *, reload: bool) -> None:
    options: dict[str, Any] = {
        "host": host,
        "port": port,
        "log_config": LOGGING_CONFIG if settings.logs_for_people else UVICORN_LOGS_JSON,
        "log_level": "debug" if settings.debug else "info",
        "server_header": False,
        # Nothing here depends on the client's address, which a proxy would give.
        "proxy_headers": False,
        "access_log": False,
        "http": "app.http.connection:GuardedProtocol",
        "ws": "app.http.websocket_connection:GuardedWebSocket",
        "ws_max_size": MESSAGE_MAX_BYTES,
        "ws_per_message_deflate": False,
        # The server cuts what is left after its grace. This ends what does not let itself be cut.
        "timeout_graceful_shutdown": math.ceil(settings.shutdown_grace_seconds) + 1,
    }
    if reload:
        _do_no_harm_by_hangup(settings)
        uvicorn.run(APPLICATION, reload=True, **options)
        return
    drain = 0 if settings.is_embedded else settings.shutdown_drain_seconds
    shutdown = Shutdown(drain, settings.shutdown_grace_seconds)
    if workers > 1:
        config = uvicorn.Config(FACTORY, factory=True, workers=workers, **options)
        numbers = MainProcess() if settings.is_measured else None
        if numbers is not None:
            listen_for_metrics(settings, numbers.figures)
        lifetime = Lifetime(settings.worker_start_seconds, shutdown)
        Workers(config, [config.bind_socket()], lifetime, Systemd(), numbers).serve()
        return
    _do_no_harm_by_hangup(settings)
    # Until the application has started: imports make nothing but what stays.
    gc.disable()
    config = uvicorn.Config(APPLICATION, workers=workers, **options)
    config.load_app()
    server = Server(config, shutdown, Systemd())
    server.run()
    if not server.started:
        sys.exit(STARTUP_FAILED)


def _do_no_harm_by_hangup(settings: Settings) -> None:
    """Have SIGHUP, by which several workers are replaced, do no harm to one alone.

    Where the database is embedded, it comes from a terminal that was closed: the server stops.
    """
    if not hasattr(signal, "SIGHUP") or signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        return

    def stop_or_ignore(_signal: int, _frame: FrameType | None) -> None:
        if settings.is_embedded:
            signal.raise_signal(signal.SIGTERM)
        else:
            logger.warning("SIGHUP is ignored: a worker is replaced only with --workers 2 or more.")

    signal.signal(signal.SIGHUP, stop_or_ignore)


def _require_free(host: str, port: int) -> None:
    """Exit before anything is started if the port is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            sys.exit(f"todo-api: cannot listen on {host}:{port}: {error.strerror}. Try --port.")


def _exit(_signal: int, _frame: FrameType | None) -> None:
    # uvicorn has stopped by now and raises the signal again: leave through every `with`. A further
    # signal, as process managers send, must not interrupt that.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    sys.exit(0)
