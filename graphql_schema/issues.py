"""What can be wrong with the values of inputs, and the checks that find it."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date, time
from enum import Enum
from typing import Protocol

import strawberry
from strawberry import UNSET
from strawberry.utils.str_converters import to_camel_case

from graphql_schema.values import CHANGED_TASK, NEW_TASK, given, is_storable, new_key, task_key
from models.calendar_link import CALENDAR_LINKS_MAX
from models.database import Rule
from models.fact import Fact, May
from models.label import LABEL_MAX_LENGTH, can_be_read, one_label
from models.task import LABELS_MAX, SUBTASKS_MAX
from models.task_list import LISTS_MAX
from models.text import is_visible

BATCH_MAX = 100
"""Tasks that one mutation makes or changes."""


@strawberry.enum(description="The kinds of things that can be wrong with a value.")
class InputIssueCode(Enum):
    REQUIRED = strawberry.enum_value(
        "REQUIRED", description="The value is null or left out and must not be."
    )
    TOO_SHORT = strawberry.enum_value(
        "TOO_SHORT",
        description="The text has too few characters that can be seen, or the list too few values.",
    )
    TOO_LONG = strawberry.enum_value(
        "TOO_LONG",
        description="The text has too many Unicode code points, or the list too many values.",
    )
    INVALID = strawberry.enum_value(
        "INVALID",
        description="The text has characters that cannot be stored, or the value is none that can "
        "be used here.",
    )
    TAKEN = strawberry.enum_value(
        "TAKEN", description="Something of the caller's has this value already."
    )


@strawberry.type(description="Something that is wrong with an input.")
class InputIssue:
    path: list[str] = strawberry.field(
        description="The names of the fields that lead from the input to the value, and in a list "
        "its place, counted from 0."
    )
    code: InputIssueCode = strawberry.field(
        description="What kind of thing is wrong, for programs."
    )
    message: str = strawberry.field(description="A sentence about it, for people.")


class Due(Protocol):
    """An input that says when tasks are due."""

    due_on: date | None
    due_time: time | None


class New(Due, Protocol):
    """An input that makes a task."""

    id: strawberry.ID | None


_BROKEN = {
    Rule.PARENT: (
        "parentId",
        InputIssueCode.INVALID,
        "None of your tasks with this id can have it as a subtask: that takes one that is no "
        "subtask itself and not in the trash, and what becomes a subtask must have none and not "
        "recur.",
    ),
    Rule.ID_IS_FREE: ("id", InputIssueCode.TAKEN, "You have something with this id already."),
    Rule.TIME_HAS_DAY: (
        "dueOn",
        InputIssueCode.REQUIRED,
        "A task that is due at a time must be due on a day, too.",
    ),
    Rule.RECURRENCE_HAS_DAY: (
        "dueOn",
        InputIssueCode.REQUIRED,
        "A task that recurs must be due on a day.",
    ),
    Rule.SUBTASKS_DO_NOT_RECUR: (
        "recurrence",
        InputIssueCode.INVALID,
        "A subtask does not recur: it comes again with its parent.",
    ),
    Rule.RECURRENCE_ENDS_LATER: (
        "recurrence",
        InputIssueCode.INVALID,
        "A rule must not end before the day on which its task is due.",
    ),
    Rule.LABELS_ARE_FEW: (
        "addLabels",
        InputIssueCode.TOO_LONG,
        f"With these, a task would have more than {LABELS_MAX} labels.",
    ),
    Rule.LIST_IS_PARENTS: (
        "listId",
        InputIssueCode.INVALID,
        "A subtask is in the list of its parent, and in no other.",
    ),
    Rule.SUBTASKS_ARE_FEW: (
        "parentId",
        InputIssueCode.TOO_LONG,
        f"The task has {SUBTASKS_MAX} subtasks, and can have no more.",
    ),
    Rule.PLACE: (
        "place",
        InputIssueCode.INVALID,
        "There is no such place. Give `before` or `after` the id of another one that stands "
        "there, outside the trash, or give `first` or `last` the value true.",
    ),
    Rule.LISTS_ARE_FEW: (
        "name",
        InputIssueCode.TOO_LONG,
        f"You have {LISTS_MAX} lists, and can have no more.",
    ),
    Rule.CALENDAR_LINKS_ARE_FEW: (
        "name",
        InputIssueCode.TOO_LONG,
        f"You have {CALENDAR_LINKS_MAX} calendar links, and can have no more: revoke one first.",
    ),
}
"""What is wrong with an input that would break a rule: the field, and what to say of it."""


def broken(rule: Rule) -> Iterator[InputIssue]:
    """Yield what is wrong with an input that would break a rule, if it is something in the input.

    It is nothing there where it is the quota, or a list that is not there.
    """
    if rule in _BROKEN:
        field, code, message = _BROKEN[rule]
        yield InputIssue(path=[field], code=code, message=message)


def too_many_renamed(most: int) -> InputIssue:
    """Return that a label is on more tasks than it can be renamed on at once."""
    message = f"The labels are on more than {most} tasks: remove them from some first."
    return InputIssue(path=["from"], code=InputIssueCode.TOO_LONG, message=message)


def new_task_issues(input: New) -> Iterator[InputIssue]:
    """Yield everything that is wrong with a new task."""
    yield from id_issues(input.id, task_key)
    yield from values_issues(input, NEW_TASK)
    if given(input.due_time) is not None and given(input.due_on) is None:
        yield from broken(Rule.TIME_HAS_DAY)


def id_issues(
    id: strawberry.ID | None, key_of: Callable[[strawberry.ID], int | None]
) -> Iterator[InputIssue]:
    """Yield what is wrong with an id that the client made, if it made one."""
    asked = given(id)
    if asked is not None and new_key(asked, key_of) is None:
        message = "The id is not in the form of the server's ids, or not of this time."
        yield InputIssue(path=["id"], code=InputIssueCode.INVALID, message=message)


def change_issues(input: Due) -> Iterator[InputIssue]:
    """Yield everything that is wrong with the new values of tasks."""
    yield from values_issues(input, CHANGED_TASK)
    if input.due_on is None and given(input.due_time) is not None:
        message = "The time must be left out or null where the day is cleared."
        yield InputIssue(path=["dueTime"], code=InputIssueCode.INVALID, message=message)


def beneath(path: Iterable[str], issues: Iterable[InputIssue]) -> Iterator[InputIssue]:
    """Yield what is wrong with a part of an input, to which the path leads."""
    for issue in issues:
        yield InputIssue(path=[*path, *issue.path], code=issue.code, message=issue.message)


def size_issues(name: str, values: Sequence[object]) -> Iterator[InputIssue]:
    """Yield that there are more values than one mutation may have, if it is so."""
    if len(values) > BATCH_MAX:
        message = f"There must be at most {BATCH_MAX} {name}, not {len(values)}."
        yield InputIssue(path=[name], code=InputIssueCode.TOO_LONG, message=message)


def labels_issues(name: str, labels: Sequence[str]) -> Iterator[InputIssue]:
    """Yield everything that is wrong with a list of labels."""
    if len(labels) > LABELS_MAX:
        message = f"There must be at most {LABELS_MAX} labels, not {len(labels)}."
        yield InputIssue(path=[name], code=InputIssueCode.TOO_LONG, message=message)
        return
    for place, label in enumerate(labels):
        yield from label_issues([name, str(place)], label)


def label_issues(path: list[str], given: str) -> Iterator[InputIssue]:
    """Yield what is wrong with a label: one thing at most."""
    label = one_label(given) if is_storable(given) else ""
    if is_storable(given) and not label:
        message = "A label must not be blank."
        yield InputIssue(path=path, code=InputIssueCode.TOO_SHORT, message=message)
    elif len(label) > LABEL_MAX_LENGTH:
        message = f"A label must have at most {LABEL_MAX_LENGTH} characters, not {len(label)}."
        yield InputIssue(path=path, code=InputIssueCode.TOO_LONG, message=message)
    elif not label or not can_be_read(label):
        message = "The label has a control character, or a word in which nothing can be seen."
        yield InputIssue(path=path, code=InputIssueCode.INVALID, message=message)


def required(fact: Fact) -> InputIssue:
    message = f"The {_words(fact)} must not be null."
    return InputIssue(path=[_named(fact)], code=InputIssueCode.REQUIRED, message=message)


def values_issues(input: object, facts: Iterable[Fact]) -> Iterator[InputIssue]:
    """Yield everything that is wrong with each value of these fields that was given."""
    for fact in facts:
        value = getattr(input, fact.name, UNSET)
        if value is None and May.CLEAR not in fact.may:
            yield required(fact)
        elif isinstance(value, str):
            yield from _text_issues(fact, value)
        elif isinstance(value, list):
            yield from labels_issues(_named(fact), value)


def _text_issues(fact: Fact, value: str) -> Iterator[InputIssue]:
    path, name = [_named(fact)], _words(fact)
    can_be_stored = is_storable(value)
    text = fact.stored(value) if can_be_stored else value
    length = len(text) if isinstance(text, str) else 0
    if can_be_stored and not fact.may_be_blank and not is_visible(value):
        yield InputIssue(
            path=path, code=InputIssueCode.TOO_SHORT, message=f"The {name} must not be blank."
        )
    if fact.max_length is not None and length > fact.max_length:
        yield InputIssue(
            path=path,
            code=InputIssueCode.TOO_LONG,
            message=f"The {name} must have at most {fact.max_length} characters, not {length}.",
        )
    if not can_be_stored:
        yield InputIssue(
            path=path,
            code=InputIssueCode.INVALID,
            message=f"The {name} has a character that cannot be stored (NUL or half a surrogate).",
        )


def _named(fact: Fact) -> str:
    return to_camel_case(fact.name)


def _words(fact: Fact) -> str:
    return fact.name.replace("_", " ")
