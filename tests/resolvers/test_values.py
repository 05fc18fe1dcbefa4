"""Every value that the schema takes, found by reflection, is given what it should not be."""

from collections.abc import Iterator
from typing import Any

import pytest
from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLList,
    build_schema,
    get_named_type,
    get_nullable_type,
    is_required_argument,
    is_required_input_field,
)
from strawberry.printer import print_schema

from graphql_schema.schema import schema
from tests.api import Server
from tests.counts import Count

SCHEMA = build_schema(print_schema(schema))

INSTANT = "2026-01-31T12:00:00Z"
FINE = {
    "String": "text",
    "ID": "1",
    "Int": 1,
    "Boolean": True,
    "DateTime": INSTANT,
    "Date": "2026-01-31",
    "TimeOfDay": "09:00",
    "NewTask": {"title": "text"},
    "TaskPriority": "LOW",
    "Weekday": "MONDAY",
}
"""A value of each scalar, and of what inputs have lists of, that is no trouble."""

STRINGS = [
    "",
    " ",
    "\0",
    "a\0b",
    "\ud800",
    "a\udfff",
    "\u202e",
    "\ufeff",
    "x" * 201,
    "x" * 1001,
    "x" * 50_000,
    "😀" * 201,
    "'; DROP TABLE tasks; --",
    "%s %(owner)s $1 {} \\",
    "<script>alert(1)</script>",
    "line\nbreak\r\n",
    "../../etc/passwd",
    "null",
]
IDS = [*STRINGS, "0", "-1", "1.0", "1e3", "1_0", "٣", str(2**63 - 1), str(2**63), str(2**70)]
INTS = [0, -1, 101, 2**31 - 1, -(2**31), 2**31, 2**63, 10**30, 1.5, 1e300]
OTHERS: list[Any] = [None, True, 7, 7.5, "7", [], ["x"], [[]], {}, {"x": 1}]
BAD: dict[str, list[Any]] = {
    "String": [*STRINGS, *OTHERS],
    "ID": [*IDS, *OTHERS],
    "Int": [*INTS, *OTHERS],
    "Boolean": [*OTHERS, "true", 0],
    "Date": [
        *(
            *STRINGS,
            *OTHERS,
            0,
            1e300,
            INSTANT,
            "2026-02-30",
            "0000-01-01",
            "9999-12-31",
            "2026-W05",
        ),
    ],
    "TimeOfDay": [
        *(*STRINGS, *OTHERS, 0, 1e300, INSTANT),
        *("24:00", "23:60", "9:00", "09:00:30", "09:00Z", "09:00:00", "\u0660\u0669:\u0660\u0660"),
    ],
    "NewTask": [
        *OTHERS,
        *({"title": value} for value in [*STRINGS, *OTHERS]),
        *({"title": "x", "id": value} for value in [*IDS, *OTHERS]),
        *({"title": "x", "labels": [value]} for value in [*STRINGS, *OTHERS]),
    ],
    "TaskPriority": [*OTHERS, "NO_SUCH_VALUE", "\0"],
    "Weekday": [*OTHERS, "NO_SUCH_VALUE", "\0"],
    "DateTime": [
        *(*STRINGS, *OTHERS, 0, 1e300),
        *("2026-01-31", "2026-01-31T12:00:00", "2026-02-30T12:00:00Z", "2026-01-31T25:00:00Z"),
        *("0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59.999999999-23:59", "2026-W05-6T12Z"),
    ],
}


def fine(item: GraphQLArgument | GraphQLInputField) -> Any:
    """Return a value that does, with all that is optional left out."""
    named = get_named_type(item.type)
    if isinstance(named, GraphQLEnumType):
        return next(iter(named.values))
    if isinstance(named, GraphQLInputObjectType):
        return {n: fine(f) for n, f in named.fields.items() if is_required_input_field(f)}
    return FINE[named.name]


def attacks(item: GraphQLArgument | GraphQLInputField) -> Iterator[Any]:
    """Yield the values to try in the place of one that does."""
    named = get_named_type(item.type)
    if isinstance(get_nullable_type(item.type), GraphQLList):
        yield from [*OTHERS, [FINE[named.name]] * 1000, *([value] for value in BAD[named.name])]
    elif isinstance(named, GraphQLInputObjectType):
        for name, field in named.fields.items():
            for value in attacks(field):
                yield {**fine(item), name: value}
        yield from OTHERS
    elif isinstance(named, GraphQLEnumType):
        yield from [*OTHERS, "NO_SUCH_VALUE", "\0"]
    else:
        yield from BAD[named.name]


def operations() -> Iterator[tuple[str, str, str, GraphQLField]]:
    roots = (("query", SCHEMA.query_type), ("mutation", SCHEMA.mutation_type))
    for kind, type_ in roots:
        assert type_ is not None
        for name, field in type_.fields.items():
            for argument in field.args:
                yield kind, name, argument, field


ALL = list(operations())


@pytest.mark.parametrize(
    ("kind", "name", "argument", "field"), ALL, ids=[f"{n}({a})" for _, n, a, _ in ALL]
)
def test_no_value_makes_the_server_fail(
    server: Server, count: Count, kind: str, name: str, argument: str, field: GraphQLField
) -> None:
    user = server.user()
    required = {n: a for n, a in field.args.items() if is_required_argument(a) or n == argument}
    declared = ", ".join(f"${n}: {a.type}" for n, a in required.items())
    passed = ", ".join(f"{n}: ${n}" for n in required)
    document = f"{kind} ({declared}) {{ {name}({passed}) {{ __typename }} }}"
    tried, failures = 0, []
    for value in attacks(field.args[argument]):
        variables = {n: fine(a) for n, a in required.items()}
        variables[argument] = value
        response = user.post(document, variables)
        result = response.json()
        codes = {error["extensions"]["code"] for error in result.get("errors", [])}
        known = codes <= {"BAD_USER_INPUT", "PAYLOAD_TOO_LARGE"}
        if response.status_code not in (200, 400, 413) or not known:
            failures.append((value, result))
        tried += 1
    count("values tried in every argument", tried)
    count("values that made the server fail", len(failures))
    assert failures == []


def test_every_argument_is_attacked() -> None:
    assert {(name, argument) for _, name, argument, _ in ALL} >= {
        ("task", "id"),
        ("tasks", "after"),
        ("tasks", "first"),
        ("createTask", "input"),
        ("updateTask", "input"),
    }
