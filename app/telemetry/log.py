"""The form of the log: one JSON object a line for programs, or a short line for people."""

import json
import logging
import sys

from uvicorn.logging import ColourizedFormatter

from app.telemetry.records import current_record, shown_path
from app.telemetry.request_log import RequestLog, shown, written_time

ROOMS = ("app", "auth")
"""The packages of this server that log."""

UVICORN_LOGGERS = ("uvicorn", "uvicorn.access")
"""uvicorn's loggers that have handlers."""


UVICORN_HANDSHAKE = '%s - "WebSocket %s"'
"""How uvicorn's lines on handshakes begin: they have the whole URL."""


class JsonLines(logging.Formatter):
    """One JSON object a line, for programs."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "at": written_time(record.created),
            "level": record.levelname.lower(),
        }
        if hasattr(record, "values"):
            line |= record.values
        else:
            line |= {"message": record.getMessage()}
            request = current_record.get()
            if request is not None and request.trace_id is not None:
                line |= {"trace_id": request.trace_id, "span_id": request.span_id}
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, separators=(",", ":"))


class ReadableLines(logging.Formatter):
    """One short line, for people."""

    def format(self, record: logging.LogRecord) -> str:
        values = getattr(record, "values", None)
        if values is not None:
            record.msg = " ".join(
                str(value) if name in ("status", "op", "code", "path") else f"{name}={value}"
                for name, value in values.items()
            )
        text = shown(record.getMessage())
        if record.exc_info:
            lines = self.formatException(record.exc_info).splitlines()
            text = "\n".join([text, *map(shown, lines)])
        return f"{record.levelname + ':':<9} {text}"


UVICORN_LOGS_JSON: dict[str, object] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"lines": {"()": f"{__name__}.{JsonLines.__name__}"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "lines"}},
    "loggers": {"uvicorn": {"handlers": ["stderr"], "level": "INFO", "propagate": False}},
}
"""A `log_config` for uvicorn, whose main process never imports the application."""


def configure_logging(requests: RequestLog, *, readable: bool, debug: bool) -> None:
    """Have everything logged to stderr in one form, unless the root logger has handlers."""
    for room in ROOMS:
        logging.getLogger(room).setLevel(logging.DEBUG if debug else logging.INFO)
    # The server's own lines have the path alone: in a query there may be a token.
    logging.getLogger("uvicorn.error").addFilter(_is_no_handshake)
    logging.getLogger("uvicorn.access").addFilter(_without_secret_paths)
    if not logging.root.handlers:
        stderr = logging.StreamHandler(sys.stderr)
        stderr.setFormatter(ReadableLines() if readable else JsonLines())
        logging.root.addHandler(stderr)
        if not readable:
            requests.write_to(sys.stderr)
    if readable:
        return
    for name in UVICORN_LOGGERS:
        for handler in logging.getLogger(name).handlers:
            if isinstance(handler.formatter, ColourizedFormatter):
                # uvicorn's default: nobody has chosen it.
                handler.setFormatter(JsonLines())


def _without_secret_paths(record: logging.LogRecord) -> bool:
    """Have no line on a request tell the address of a calendar, where uvicorn alone was started."""
    if isinstance(record.args, tuple):
        record.args = tuple(shown_path(a) if isinstance(a, str) else a for a in record.args)
    return True


def _is_no_handshake(record: logging.LogRecord) -> bool:
    return not str(record.msg).startswith(UVICORN_HANDSHAKE)
