"""The users table: Better Auth's where it shares the database, else made of tokens."""

from datetime import datetime
from typing import NamedTuple, NewType

from sqlalchemy import Boolean, Column, DateTime, Index, Text, false, func, text
from sqlmodel import Field, SQLModel

from models.fact import facts_of
from models.instant import Instant
from models.naming import metadata

UserId = NewType("UserId", str)
"""The `sub` of a verified token, or the owner that the address of a calendar names.

Only `auth.tokens` and `auth.calendar_addresses` make one, so having it proves the check.
"""


class User(SQLModel, table=True):
    """A user. The columns are those that Better Auth's migration expects, in snake case."""

    __tablename__ = "users"
    metadata = metadata
    __table_args__ = (Index("users_by_email", func.lower(text("email"))),)

    id: str = Field(
        description="The id that the authentication server gave the user",
        sa_column=Column(Text, primary_key=True),
    )
    email: str | None = Field(
        default=None,
        description="The user's e-mail address; null where no token has named one",
        sa_column=Column(Text, unique=True),
    )
    name: str = Field(
        description="The user's name, for display", sa_column=Column(Text, nullable=False)
    )
    email_verified: bool = Field(
        default=False, sa_column=Column(Boolean, nullable=False, server_default=false())
    )
    image: str | None = Field(default=None, sa_column=Column(Text))
    created_at: datetime = Field(
        description="When the user was added",
        sa_column=Column(DateTime(timezone=True), nullable=False, server_default=func.now()),
    )
    updated_at: datetime = Field(
        sa_column=Column(DateTime(timezone=True), nullable=False, server_default=func.now())
    )
    claims_at: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))
    """When the token was issued that the name and the address are from; null: by no token yet."""


USER_FACTS = facts_of(User)


class UserRow(NamedTuple):
    """A row of users as statements return it: the columns that clients may see, in this order."""

    id: str
    email: str | None
    name: str
    created_at: Instant
