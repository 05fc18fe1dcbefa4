"""The hashes beside idempotency keys: the same for ever, and different for different inputs."""

from datetime import UTC, date, datetime, time, timedelta

import pytest
import strawberry
from strawberry import ID, UNSET

from graphql_schema.batches import (
    CreateTasksInput,
    DeleteTasksInput,
    EmptyTrashInput,
    NewTask,
    PurgeTasksInput,
    UpdateTasksInput,
)
from graphql_schema.calendar_links import CreateCalendarLinkInput, RevokeCalendarLinkInput
from graphql_schema.inputs import (
    CreateTaskInput,
    DeleteTaskInput,
    RestoreTaskInput,
    ToggleTaskInput,
    UpdateTaskInput,
)
from graphql_schema.list_inputs import CreateListInput, ListPlace, MoveListInput
from graphql_schema.mutation_input import MutationInput
from graphql_schema.places import MoveTaskInput, TaskPlace
from graphql_schema.recurrence_inputs import RecurrenceInput, RecurrenceRule
from graphql_schema.recurrences import RecurrenceUnit, Weekday
from graphql_schema.types import TaskPriority
from graphql_schema.undo import UndoInput
from resolvers.idempotency import _digest, _digests

DAY_OLD: list[tuple[MutationInput, str]] = [
    (
        UndoInput(action_key="an action"),
        "b7ea635f0f6bfb0754cdc4a2201cff7aa9734e8f49a8751e39d735f1c8d78a96",
    ),
    (
        CreateTaskInput(title="Milk"),
        "e714046787891a9aa17ca3c6761861ffd3c428ef7956afd76398c5d0df1776ab",
    ),
    (
        CreateTaskInput(title="Milk", idempotency_key="not part of it"),
        "e714046787891a9aa17ca3c6761861ffd3c428ef7956afd76398c5d0df1776ab",
    ),
    (
        CreateTaskInput(title="Milk", description=None),
        "041474ca153d03bb621a8e81b00abcb4b9fb5207df7a4f77ae61d9bf8c9536de",
    ),
    (
        CreateTaskInput(title="Milk", description="é 😀"),
        "6d062a64f65220913c78d1ba1336cccc26e4fd4352d87f6cae02248ddde4a0d6",
    ),
    (
        UpdateTaskInput(id=ID("7")),
        "bb9119f0ff70e4b9b4796ac4fa986e997f5f2f0672a06a157e18b39da3ebbe70",
    ),
    (
        UpdateTaskInput(
            id=ID("7"), title="Milk", description=None, completed=True, expected_version=3
        ),
        "8f91afac6c7446942a875c9a8b863041f31825a94c06e1197ea609c11e58b1fb",
    ),
    (
        ToggleTaskInput(id=ID("7")),
        "3bc9e07fff7b34de5f10959644b0308007e938a7cacef12791d12e8a4584a585",
    ),
    (
        ToggleTaskInput(id=ID("7"), expected_version=None),
        "8b2ec6ec6e3517b979dbaf381e300b6a28bc80a2edf13b63e860bf936e8c0d30",
    ),
    (
        DeleteTaskInput(id=ID("7"), expected_version=1),
        "515b3ac6e8657558786d9981b39d1b81de84ff436d1edc864cae955b568443d3",
    ),
    (
        RestoreTaskInput(id=ID("7")),
        "67adf09a316f8cbfaa58d5a18f1b46bb924e333e3cfbfae7102fc3b0df55c3ca",
    ),
    (
        UpdateTasksInput(ids=[ID("7"), ID("8")], completed=False),
        "01363a20934b2973edcf553671ddd190ca34a5fe9fef7871275f5196d81aabba",
    ),
    (
        DeleteTasksInput(ids=[]),
        "0037c5695c403be6facad297080f4e842fbd92e61dc244670ebaf1ca9b22aa46",
    ),
    (
        PurgeTasksInput(ids=[ID("7"), ID("8")]),
        "d63d4d9afab0d7daf90acb24161d1d689f61ad7fd27cb62743e683d3db4a8275",
    ),
    (
        CreateTaskInput(title="Milk", priority=TaskPriority.NONE, labels=[]),
        "e714046787891a9aa17ca3c6761861ffd3c428ef7956afd76398c5d0df1776ab",
    ),
    (
        CreateListInput(name="Home"),
        "736a008c778a1f051d7471a295367da297cb42208af202fb892fff2bb319fc18",
    ),
    (
        MoveListInput(id=ID("L7"), place=ListPlace(after=ID("L8"))),
        "783cf7afe441da35ec3dcc01f2c528b8425c88c070e94f058577fbb824253401",
    ),
    (
        CreateTaskInput(title="Milk", recurrence=None),
        "2a465c930aaea1c398a51703cc8574307d59e42a97142b26180dd5867abdffc0",
    ),
    (
        UpdateTaskInput(id=ID("7"), recurrence=RecurrenceInput(rrule="FREQ=DAILY")),
        "79e6d8d6edfed9d0427ab8fa61f5939c691c3c13f74a59d54080f9215085ee4b",
    ),
    (
        UpdateTaskInput(
            id=ID("7"),
            recurrence=RecurrenceInput(
                rule=RecurrenceRule(unit=RecurrenceUnit.WEEK, weekdays=[Weekday.MONDAY])
            ),
        ),
        "14c9c1a722e032ac8eac0ee2e8ff80a22d6baf68d6eadcd61fe44fbed1d6766e",
    ),
    (
        MoveTaskInput(id=ID("7")),
        "67b8f387e5394b3f6b4964ad9643fc91c5f6b8aae2a8093b564f2d6f5c8cc1ba",
    ),
    (
        MoveTaskInput(
            id=ID("7"),
            list_id=ID("L8"),
            parent_id=None,
            place=TaskPlace(after=ID("9")),
            expected_version=3,
        ),
        "d9fcaad933d17dcca1de1144bb676cfe88cad218cbca51793fabcb1c95635a67",
    ),
    (
        CreateCalendarLinkInput(name="Phone"),
        "e56b851c6080be0fd6beaa8064c26ba6be4ae69815f1e0b2573d4538bed22c49",
    ),
    (
        RevokeCalendarLinkInput(id=ID("C7")),
        "9ffcbc9ead24971c28e7c8181dd39f1bc869c337f144a3f190b950748f05744f",
    ),
    (EmptyTrashInput(), "77a4df7971ae7a3b6fa46fc8afd6e588a28f2ac10676ff2394725149df76ecbd"),
]
"""Inputs, and the hashes that stand in databases beside the keys of the last 24 hours."""


@pytest.mark.parametrize(("input", "digest"), DAY_OLD)
def test_the_hash_of_an_input_never_changes(input: MutationInput, digest: str) -> None:
    assert digest in _digests(input)


def test_a_null_in_a_new_task_is_as_if_it_were_left_out() -> None:
    left_out, null = CreateTaskInput(title="Milk"), CreateTaskInput(title="Milk", description=None)
    assert _digests(null)[0] == _digests(left_out)[0]
    assert _digests(left_out) == [_digest(left_out)]
    blank = CreateTaskInput(title="Milk", description="")
    assert _digests(blank)[0] != _digests(left_out)[0]
    one, other = (
        CreateTasksInput(tasks=[new])
        for new in (NewTask(title="Milk"), NewTask(title="Milk", description=None, due_on=None))
    )
    assert _digests(one) == _digests(other)


@pytest.mark.parametrize(
    ("null", "left_out"),
    [
        (UpdateTaskInput(id=ID("7"), description=None), UpdateTaskInput(id=ID("7"))),
        (ToggleTaskInput(id=ID("7"), expected_version=None), ToggleTaskInput(id=ID("7"))),
    ],
)
def test_a_null_in_another_input_is_a_value(null: MutationInput, left_out: MutationInput) -> None:
    assert len(_digests(null)) == 1
    assert _digests(null) != _digests(left_out)


@strawberry.input
class WithNewFields(ToggleTaskInput):
    """What an input may become, with a field of each kind that can be added."""

    due_on: date | None = UNSET
    due_time: time | None = UNSET
    priority: TaskPriority = TaskPriority.NONE
    remind_at: datetime | None = UNSET
    urgent: bool = False
    tags: list[str] = strawberry.field(default_factory=list)


# The name is in the hash.
WithNewFields.__name__ = ToggleTaskInput.__name__


def test_moves_that_differ_have_different_hashes() -> None:
    seven, eight = ID("7"), ID("8")
    moves = [
        MoveTaskInput(id=seven),
        MoveTaskInput(id=seven, list_id=None),
        MoveTaskInput(id=seven, parent_id=None),
        MoveTaskInput(id=seven, parent_id=eight),
        MoveTaskInput(id=seven, place=TaskPlace(first=True)),
        MoveTaskInput(id=seven, place=TaskPlace(last=True)),
        MoveTaskInput(id=seven, place=TaskPlace(before=eight)),
        MoveTaskInput(id=seven, place=TaskPlace(after=eight)),
    ]
    assert len({_digest(move) for move in moves}) == len(moves)


def test_a_new_field_that_is_left_out_changes_no_hash() -> None:
    assert _digest(WithNewFields(id=ID("7"))) == _digest(ToggleTaskInput(id=ID("7")))


def test_every_value_that_is_given_changes_the_hash() -> None:
    day, moment = date(2026, 1, 31), datetime(2026, 1, 31, tzinfo=UTC)
    inputs = [
        WithNewFields(id=ID("7")),
        WithNewFields(id=ID("8")),
        WithNewFields(id=ID("7"), due_on=None),
        WithNewFields(id=ID("7"), due_on=day),
        WithNewFields(id=ID("7"), due_on=day + timedelta(days=1)),
        WithNewFields(id=ID("7"), today=day),
        WithNewFields(id=ID("7"), due_time=time(9)),
        WithNewFields(id=ID("7"), due_time=time(9, 1)),
        WithNewFields(id=ID("7"), priority=TaskPriority.LOW),
        WithNewFields(id=ID("7"), priority=TaskPriority.HIGH),
        WithNewFields(id=ID("7"), remind_at=moment),
        WithNewFields(id=ID("7"), remind_at=moment + timedelta(microseconds=1)),
        WithNewFields(id=ID("7"), urgent=True),
        WithNewFields(id=ID("7"), tags=["urgent"]),
    ]
    assert len({_digest(input) for input in inputs}) == len(inputs)


def test_every_value_of_a_new_task_changes_the_hash() -> None:
    tasks = [
        [NewTask(title="Milk")],
        [NewTask(title="Milk"), NewTask(title="Milk")],
        [NewTask(title="Bread")],
        [NewTask(title="Milk", id=ID("7"))],
        [NewTask(title="Milk", due_on=date(2026, 1, 31))],
        [NewTask(title="Milk", due_time=time(9))],
        [NewTask(title="Milk", priority=TaskPriority.HIGH)],
        [NewTask(title="Milk", labels=["a", "b"])],
        [NewTask(title="Milk", labels=["b", "a"])],
        [NewTask(title="Milk", completed=True)],
        [NewTask(title="Milk", today=date(2026, 1, 31))],
    ]
    assert len({_digest(CreateTasksInput(tasks=each)) for each in tasks}) == len(tasks)
