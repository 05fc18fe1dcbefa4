"""The installation table: one row of what is true of a database as a whole."""

from sqlalchemy import BigInteger, Boolean, CheckConstraint, Column, Integer, Text, text, true
from sqlmodel import Field, SQLModel

from models.naming import metadata


class Installation(SQLModel, table=True):
    """What belongs to a database, and to none of its users."""

    __tablename__ = "installation"
    metadata = metadata
    __table_args__ = (CheckConstraint("only_row", name="installation_only_row_check"),)

    only_row: bool = Field(
        default=True, sa_column=Column(Boolean, primary_key=True, server_default=true())
    )
    beginning: int = Field(
        default=0, sa_column=Column(BigInteger, nullable=False, server_default=text("0"))
    )
    """A number that is another one once the database was restored; 0 until then."""
    trash_retention_days: int = Field(
        default=30, sa_column=Column(Integer, nullable=False, server_default=text("30"))
    )
    """How long a deleted task can be restored. `todo-api migrate` writes it from the settings."""
    idempotency_retention_days: int = Field(
        default=7, sa_column=Column(Integer, nullable=False, server_default=text("7"))
    )
    """How long idempotency keys are kept. `todo-api migrate` writes it, too."""
    serves: str = Field(sa_column=Column(Text, nullable=False))
    """The migration of the oldest code that works with the database as it is."""
