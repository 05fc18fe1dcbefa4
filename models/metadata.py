"""All tables, and the names of those whose rows belong to users."""

from sqlmodel import SQLModel

from models.idempotency_key import IdempotencyKey
from models.task import Task, TaskCounter
from models.user import User

MODELS: tuple[type[SQLModel], ...] = (User, Task, TaskCounter, IdempotencyKey)
"""Every model. A table that is not among them belongs to Better Auth, or to somebody else."""

metadata = User.metadata

OWNED_TABLES = tuple(sorted(str(model.__tablename__) for model in MODELS))
"""The tables whose rows belong to users: all of ours."""
