"""Which tasks a list has: conditions and their values, and the SQL of each condition."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from types import MappingProxyType
from typing import Any, NamedTuple

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Integer,
    SQLColumnExpression,
    Text,
    any_,
    bindparam,
    func,
    literal_column,
    not_,
    select,
)

from graphql_schema.filters import TaskLevel, TaskTrash
from graphql_schema.types import TaskStatus
from models.fact import Fact, May
from models.task import TASK_FACTS
from resolvers.statements.kind import OWNER, Condition
from resolvers.statements.label_pages import keys_of, spelled
from resolvers.statements.tasks import TASK

_COLUMNS = TASK.table.c


class _Conditions(NamedTuple):
    status: TaskStatus = TaskStatus.ALL
    trash: TaskTrash = TaskTrash.EXCLUDE
    ids: Sequence[int] | None = None
    inbox: bool = False
    """Whether only tasks in no list are meant."""
    level: TaskLevel = TaskLevel.ALL
    list_id: int | None = None
    """None: in any list or in none."""
    parent_id: int | None = None
    """None: below any task or below none."""
    search: str | None = None
    """Compared with one task after another: for words that many tasks have."""
    has_due_date: bool | None = None
    """None: with a date or without."""
    priorities: Sequence[int] | None = None
    labels_all: Sequence[str] | None = None
    labels_any: Sequence[str] | None = None
    labels_none: Sequence[str] | None = None
    bounds: Mapping[str, object] = MappingProxyType({})
    """Where ranges begin and end, by the names in `Fact.bounds`."""


class Conditions(_Conditions):
    """Which of the owner's tasks are meant. All of them must hold."""

    @cached_property
    def values(self) -> Mapping[str, object]:
        """The parameters that the conditions have."""
        values = {
            "ids": self.ids,
            "list_id": self.list_id,
            "parent_id": self.parent_id,
            "search": self.search,
            "priorities": self.priorities,
            "labels_all": self.labels_all,
            "labels_any": self.labels_any,
            "labels_none": self.labels_none,
            **self.bounds,
        }
        return {name: value for name, value in values.items() if value is not None}

    @cached_property
    def shape(self) -> "Shape":
        return Shape(
            self.status,
            self.trash,
            self.has_due_date,
            frozenset(self.values),
            self.inbox,
            self.level,
        )


class Shape(NamedTuple):
    """What conditions there are, without their values."""

    status: TaskStatus
    trash: TaskTrash
    has_due_date: bool | None
    given: frozenset[str]
    inbox: bool = False
    level: TaskLevel = TaskLevel.ALL

    @property
    def is_walked(self) -> bool:
        """Whether a page is read from the index of its order.

        It is not where ids, a list or a parent are given: their tasks are looked up by them.
        """
        return not self.given & {"ids", "list_id", "parent_id"}

    @property
    def is_sorted(self) -> bool:
        """Whether all tasks of a list or of a parent are read, and then put in order."""
        return "ids" not in self.given and not self.is_walked

    @property
    def is_by_hand(self) -> bool:
        """Whether an index has all tasks that may be meant in the order by hand."""
        in_one = self.inbox or "list_id" in self.given
        is_live = self.trash is TaskTrash.EXCLUDE
        return is_live and in_one and not self.given & {"ids", "parent_id"}

    def parts(self) -> Sequence["Shape"]:
        """Return the shapes of the parts that indexes have: by whether tasks are completed."""
        if self.status is not TaskStatus.ALL:
            return [self]
        return [self._replace(status=s) for s in (TaskStatus.PENDING, TaskStatus.COMPLETED)]

    def conditions(self) -> Iterator[Condition]:
        is_live = self.trash is TaskTrash.EXCLUDE
        if "ids" not in self.given:
            yield TASK.is_live if is_live else TASK.is_in_trash
        else:
            # Not as indexes have it: PostgreSQL would look for the ids in one of an order.
            yield func.num_nulls(_COLUMNS.deleted_at) == literal_column("1" if is_live else "0")
        match self.status:
            case TaskStatus.PENDING:
                yield not_(_COLUMNS.completed)
            case TaskStatus.COMPLETED:
                yield _COLUMNS.completed
        if self.inbox:
            yield IS_IN_INBOX
        if self.level is not TaskLevel.ALL:
            is_at_top = _COLUMNS.parent_id.is_(None)
            yield is_at_top if self.level is TaskLevel.TOP else not_(is_at_top)
        if self.has_due_date is not None:
            yield HAS_DUE_DATE if self.has_due_date else HAS_NO_DUE_DATE
        for name in sorted(self.given):
            yield _CONDITIONS[name] if is_live else _IN_TRASH.get(name, _CONDITIONS[name])


# The conditions of the indexes that leave out what has no date, and what has no priority.
HAS_DUE_DATE: Condition = _COLUMNS.due_at < literal_column("'infinity'")
HAS_NO_DUE_DATE: Condition = _COLUMNS.due_at == literal_column("'infinity'")
HAS_PRIORITY: Condition = _COLUMNS.priority > literal_column("0")
HAS_NO_PRIORITY: Condition = _COLUMNS.priority == literal_column("0")

IS_IN_INBOX: Condition = _COLUMNS.list_id.is_(None)

PRIORITIES = bindparam("priorities", type_=ARRAY(Integer))
SEARCH = bindparam("search", type_=Text)


def _range(fact: Fact) -> Iterator[tuple[str, Condition]]:
    from_, until = fact.bounds
    yield from_, fact.column >= bindparam(from_, type_=fact.column.type)
    yield until, fact.column < bindparam(until, type_=fact.column.type)


def _asked(name: str) -> SQLColumnExpression[Any]:
    return bindparam(name, type_=ARRAY(Text))


_HAS, _HAS_ONE_OF = "@>", "&&"

_CONDITIONS: dict[str, Condition] = {
    "ids": _COLUMNS.id == any_(bindparam("ids", type_=ARRAY(BigInteger))),
    "list_id": _COLUMNS.list_id == bindparam("list_id", type_=BigInteger),
    "parent_id": _COLUMNS.parent_id == bindparam("parent_id", type_=BigInteger),
    # The query is made once, not for each task.
    "search": _COLUMNS.words.bool_op("@@")(select(func.query_for(OWNER, SEARCH)).scalar_subquery()),
    # Not by its index: where tasks with a priority are few, they have been looked up already.
    "priorities": _COLUMNS.priority + literal_column("0") == any_(PRIORITIES),
    "labels_all": _COLUMNS.labels.bool_op(_HAS)(spelled(_asked("labels_all"))),
    "labels_any": _COLUMNS.labels.bool_op(_HAS_ONE_OF)(spelled(_asked("labels_any"))),
    "labels_none": not_(_COLUMNS.labels.bool_op(_HAS_ONE_OF)(spelled(_asked("labels_none")))),
    **{
        name: condition
        for fact in (TASK_FACTS["due_at"], *TASK_FACTS.values())
        if May.RANGE in fact.may or fact.name == "due_at"
        for name, condition in _range(fact)
    },
}

# A task in the trash keeps its own spelling.
_KEYS = keys_of(_COLUMNS.labels)
_IN_TRASH: dict[str, Condition] = {
    "labels_all": _KEYS.bool_op(_HAS)(keys_of(_asked("labels_all"))),
    "labels_any": _KEYS.bool_op(_HAS_ONE_OF)(keys_of(_asked("labels_any"))),
    "labels_none": not_(_KEYS.bool_op(_HAS_ONE_OF)(keys_of(_asked("labels_none")))),
}
