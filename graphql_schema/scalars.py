"""The scalars: what is a text on the wire, and a value of Python in inputs."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time
from typing import Any

import strawberry
from strawberry.types.scalar import ScalarDefinition

from models.day import as_it_is, hours_and_minutes, parse_day, parse_time
from models.instant import all_rfc_3339, parse_rfc_3339, rfc_3339

DATE_TIME = strawberry.scalar(
    name="DateTime",
    description="An instant in the form of RFC 3339. Results are in UTC, with `Z` and six digits "
    "of a second. Inputs have `Z` or an offset, and at most six digits of a second.",
    specified_by_url="https://scalars.graphql.org/chillicream/date-time.html",
    serialize=rfc_3339,
    parse_value=parse_rfc_3339,
)
DATE = strawberry.scalar(
    name="Date",
    description="A day by the calendar, YYYY-MM-DD, without a time zone: 0001-01-01 to 9999-12-31.",
    specified_by_url="https://scalars.graphql.org/andimarek/local-date.html",
    serialize=as_it_is,
    parse_value=parse_day,
)
TIME_OF_DAY = strawberry.scalar(
    name="TimeOfDay",
    description="A time of day, HH:MM, 00:00 to 23:59, without a time zone. HH:MM:00 is understood "
    "too.",
    serialize=hours_and_minutes,
    parse_value=parse_time,
)

SCALARS: dict[object, ScalarDefinition] = {
    datetime: DATE_TIME,
    date: DATE,
    time: TIME_OF_DAY,
}
"""The scalars by the types that stand for them in types and inputs."""

AT_ONCE: Mapping[Callable[..., Any], Callable[..., Sequence[Any]]] = {rfc_3339: all_rfc_3339}
"""What serializes many values of a scalar at once, by what serializes one of them."""
