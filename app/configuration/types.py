"""The types of settings: each makes a value of a variable's text, or says what it must be."""

import json
import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator
from pydantic_settings import NoDecode

from auth.algorithms import ASYMMETRIC_ALGORITHMS, SECRET_MIN_BYTES

_ROLE_NAME = re.compile(r"(?!(?:pg|current|session|system)_)(?=.{3,63}\Z)[a-z][a-z0-9]*_[a-z0-9_]+")


def _comma_list(value: object) -> object:
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        try:
            return json.loads(value)
        except ValueError as error:
            raise ValueError("it starts like a JSON list but is none") from error
    return [item.strip() for item in value.split(",") if item.strip()]


def _http_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("it must be a URL that starts with http:// or https://")
    try:
        _ = parts.port
    except ValueError as error:
        raise ValueError("it must be a URL with a port from 0 to 65535") from error
    return value


def _public_url(value: str) -> str:
    parts = urlsplit(_http_url(value))
    if parts.query or parts.fragment or "@" in parts.netloc or not value.isprintable():
        raise ValueError("it must be a URL without a query, a fragment and a password")
    return value


def _postgres_url(value: str) -> str:
    scheme = value.partition("://")[0]
    if scheme not in ("postgres", "postgresql", "postgresql+psycopg"):
        raise ValueError("it must be a URL that starts with postgresql://")
    return value


def _role_name(value: str) -> str:
    # No word of SQL's own looks so, and none of PostgreSQL's own roles: it needs no quotes.
    if not _ROLE_NAME.fullmatch(value):
        raise ValueError(
            "it must be small letters, digits and underscores, at most 63, with an underscore "
            "inside, such as todo_staging; names that begin with pg_, current_, session_ or "
            "system_ are PostgreSQL's"
        )
    return value


def _long_secret(value: str) -> str:
    if len(value.encode()) < SECRET_MIN_BYTES:
        raise ValueError(
            f"it must have at least {SECRET_MIN_BYTES} bytes; "
            "make one with `openssl rand -base64 32`"
        )
    return value


def _metrics_place(value: str) -> str:
    host, _, port = value.rpartition(":")
    is_address = bool(host) and port.isdecimal() and 0 < int(port) < 65536
    if value not in ("off", "path") and not is_address:
        raise ValueError("it must be off, path, or an address such as 127.0.0.1:9464")
    return value


def _log_share(value: str) -> str:
    if value not in ("all", "slow") and not re.fullmatch(r"0\.\d+|1\.0+", value):
        raise ValueError("it must be all, slow, or a share such as 0.1")
    return value


def algorithms(value: list[str]) -> list[str]:
    known = {"HS256", *ASYMMETRIC_ALGORITHMS}
    if unknown := [name for name in value if name not in known]:
        raise ValueError(f"it must name some of {', '.join(sorted(known))}, not {unknown[0]}")
    return value


def origin(value: list[str]) -> list[str]:
    for origin in value:
        if origin != "*":
            _http_url(origin)
    return [origin.rstrip("/") for origin in value]


HttpUrl = Annotated[str, AfterValidator(_http_url)]
PublicUrl = Annotated[str, AfterValidator(_public_url)]
PostgresUrl = Annotated[str, AfterValidator(_postgres_url)]
RoleName = Annotated[str, AfterValidator(_role_name)]
Secret = Annotated[str, AfterValidator(_long_secret)]
MetricsPlace = Annotated[str, AfterValidator(_metrics_place)]
LogShare = Annotated[str, AfterValidator(_log_share)]
CommaList = Annotated[list[str], NoDecode, BeforeValidator(_comma_list)]
