"""The numbers' own address, at which the main process tells those of all workers."""

from collections.abc import Callable

from app.failure import Failure
from app.http.metrics_listener import listen
from app.settings import Settings
from app.telemetry.metrics import Figures


def listen_for_metrics(settings: Settings, figures: Callable[[], Figures]) -> None:
    """Answer at the address of their own that the settings name, if they do.

    Raises:
        Failure: it cannot be listened on.
    """
    if settings.metrics_address is None:
        return
    host, port = settings.metrics_address
    try:
        listen(host, port, settings.metrics_token, figures)
    except OSError as error:
        raise Failure(f"METRICS: cannot listen on {settings.metrics}: {error.strerror}.") from error
