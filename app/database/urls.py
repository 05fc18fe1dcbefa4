"""PostgreSQL URLs as libpq takes them."""


def libpq_url(url: str) -> str:
    """Return a PostgreSQL URL as libpq takes it, whatever the driver that it names."""
    return "postgresql://" + url.partition("://")[2]
