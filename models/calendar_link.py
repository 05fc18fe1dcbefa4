"""The calendar_links table: addresses by which calendar programs read what is due."""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    FetchedValue,
    ForeignKey,
    String,
    Text,
    func,
)
from sqlmodel import Field, SQLModel

from models.fact import May, facts_of
from models.instant import Instant
from models.naming import metadata
from models.user import UserId

CALENDAR_LINK_NAME_MAX_LENGTH = 100
"""Unicode code points in the name of a link, as PostgreSQL counts them."""

CALENDAR_PATH = "/calendar/"
"""What the paths of calendars begin with. What follows lets in whoever knows it."""

CALENDAR_SUFFIX = ".ics"
"""What the paths of calendars end with."""

CALENDAR_LINKS_MAX = 10
"""Links that a user has."""


class CalendarLink(SQLModel, table=True):
    """An address that shows its owner's dated tasks to whoever knows it, until it is revoked.

    It has no version and is in no feed of changes: nothing but its use changes it, and what is
    revoked is gone.
    """

    __tablename__ = "calendar_links"
    metadata = metadata
    __table_args__ = (CheckConstraint("length(secret_hash) = 64", name="secret_hash"),)

    user_id: str = Field(
        sa_column=Column(Text, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    )
    id: int = Field(
        description="`C` and digits: opaque",
        # A trigger makes it.
        sa_column=Column(BigInteger, FetchedValue(), primary_key=True, autoincrement=False),
    )
    name: str = Field(
        description="What the link is called, in calendar programs too",
        min_length=1,
        sa_column=Column(
            String(CALENDAR_LINK_NAME_MAX_LENGTH), nullable=False, info={May: May.CREATE}
        ),
    )
    # The SHA-256 of the secret in the address, in hexadecimal digits. The secret is not kept.
    secret_hash: str = Field(sa_column=Column(Text, nullable=False))
    created_at: datetime = Field(
        description="When the link was created",
        sa_column=Column(DateTime(timezone=True), nullable=False, server_default=func.now()),
    )
    last_used_at: datetime | None = Field(
        default=None,
        description="When a calendar program last read by the link, to the hour; null for never",
        sa_column=Column(DateTime(timezone=True)),
    )


CALENDAR_LINK_FACTS = facts_of(CalendarLink)

for _fact in CALENDAR_LINK_FACTS.values():
    if (_check := _fact.check()) is not None:
        metadata.tables["calendar_links"].append_constraint(_check)


class CalendarLinkRow(NamedTuple):
    """A row of calendar_links as statements return it: the columns that clients may see."""

    id: int
    name: str
    created_at: Instant
    last_used_at: Instant | None


class Calendar(NamedTuple):
    """What a link with the right secret leads to."""

    owner: UserId
    link_id: int
    name: str
    edition: str
    """A text that is another one whenever something of the owner's has changed."""
    is_noted: bool
    """Whether the use of the link has been noted within the last hour."""
