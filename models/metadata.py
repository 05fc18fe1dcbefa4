"""All tables of ours; any other belongs to Better Auth, or to somebody else."""

from sqlmodel import SQLModel

from models.action_step import ActionStep
from models.calendar_link import CalendarLink
from models.deleted_user import DeletedUser
from models.idempotency_key import IdempotencyKey
from models.imported import Imported
from models.installation import Installation
from models.task import Task, TaskCounter, TaskLabel
from models.task_list import TaskList
from models.user import User

OWNED: tuple[type[SQLModel], ...] = (
    User,
    Task,
    TaskCounter,
    TaskLabel,
    TaskList,
    IdempotencyKey,
    CalendarLink,
    Imported,
    ActionStep,
)
"""The models whose rows belong to users."""

metadata = User.metadata

OWNED_TABLES = tuple(sorted(str(model.__tablename__) for model in OWNED))
"""The tables whose rows belong to users."""

INSTALLATION = metadata.tables[str(Installation.__tablename__)]
"""The table whose one row belongs to no user."""

DELETED_USERS = metadata.tables[str(DeletedUser.__tablename__)]
"""The table whose rows belong to users that are there no more."""
