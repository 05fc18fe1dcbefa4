"""The metadata that models belong to, with a naming convention, so that migrations can name things.

`models.metadata` has it with all tables.
"""

from sqlmodel import SQLModel

NAMING_CONVENTION = {
    "pk": "%(table_name)s_pkey",
    "fk": "%(table_name)s_%(column_0_name)s_fkey",
    "uq": "%(table_name)s_%(column_0_name)s_key",
    "ix": "%(table_name)s_%(column_0_N_name)s_idx",
    "ck": "%(table_name)s_%(constraint_name)s_check",
}
"""PostgreSQL's own names, so that a table made by hand or by Better Auth agrees with ours."""

metadata = SQLModel.metadata
metadata.naming_convention = NAMING_CONVENTION
