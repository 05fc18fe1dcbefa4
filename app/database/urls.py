"""PostgreSQL URLs as libpq takes them, and the role that the server connects as."""

SERVER_ROLE = "todo_api"
"""The role that has the rights the server needs. It connects as this one, or as a member of it."""


def libpq_url(url: str) -> str:
    """Return a PostgreSQL URL as libpq takes it, whatever the driver that it names."""
    return "postgresql://" + url.partition("://")[2]
