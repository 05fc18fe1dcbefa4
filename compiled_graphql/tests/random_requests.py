"""Random requests for any schema: documents with variables, fragments and directives."""

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLNamedType,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    get_named_type,
    is_abstract_type,
    is_leaf_type,
)

from compiled_graphql.strawberry_parts import is_one_of

DEPTH_MAX = 4

SCALARS: Mapping[str, Sequence[Any]] = {
    "Int": [-1, 0, 1, 2, 3, 2**31 - 1],
    "Float": [-2.5, 0.0, 1.0, 3],
    "String": ["", "a", "Ada", 'é\n"', "long" * 51],
    "Boolean": [True, False],
    "ID": ["1", "2", "seven", 3],
    "Date": ["2024-02-29", "no date"],
    "TimeOfDay": ["09:00", "no time"],
    "DateTime": ["2024-02-29T00:00:00Z", "no time"],
}
WRONG: Sequence[Any] = [None, 1, 2**31, "x", 1.0, True, [], {}, {"x": 1}, [None]]


@dataclass
class Request:
    """A document with one operation, and its variables."""

    document: str
    variables: dict[str, Any]


@dataclass
class Writer:
    """Writes one request."""

    schema: GraphQLSchema
    dice: random.Random
    definitions: list[str] = field(default_factory=list)
    variables: dict[str, Any] = field(default_factory=dict)
    fragments: list[str] = field(default_factory=list)
    names: int = 0

    def chance(self, percent: int) -> bool:
        return self.dice.randrange(100) < percent

    def name(self, prefix: str) -> str:
        self.names += 1
        return f"{prefix}{self.names}"

    def request(self, root: GraphQLObjectType, kind: str) -> Request:
        selection = self.selection_set(root, 0)
        defined = f"({', '.join(self.definitions)})" if self.definitions else ""
        document = "\n".join([f"{kind} Made{defined} {selection}", *self.fragments])
        return Request(document, self.variables)

    def selection_set(self, type_: GraphQLNamedType, depth: int) -> str:
        count = self.dice.randint(1, 4)
        return "{ " + " ".join(self.selection(type_, depth) for _ in range(count)) + " }"

    def selection(self, type_: GraphQLNamedType, depth: int) -> str:
        if depth < DEPTH_MAX and self.chance(60 if is_abstract_type(type_) else 20):
            return self.fragment(type_, depth)
        fields = list(getattr(type_, "fields", {}).items())
        if depth >= DEPTH_MAX:
            fields = [item for item in fields if is_leaf_type(get_named_type(item[1].type))]
        if not fields or self.chance(10):
            return f"{self.name('t')}: __typename"
        name, definition = self.dice.choice(fields)
        named = get_named_type(definition.type)
        alias = "" if is_leaf_type(named) and not definition.args else f"{self.name('a')}: "
        given = [
            f"{argument}: {value}"
            for argument, input_ in definition.args.items()
            if (value := self.argument(input_)) is not None
        ]
        text = alias + name + (f"({', '.join(given)})" if given else "") + self.directive()
        return text if is_leaf_type(named) else f"{text} {self.selection_set(named, depth + 1)}"

    def fragment(self, type_: GraphQLNamedType, depth: int) -> str:
        options = [type_]
        if is_abstract_type(type_):
            options += self.schema.get_possible_types(type_)
        on = self.dice.choice(options)
        if self.chance(50):
            condition = f" on {on.name}" if on is not type_ or self.chance(50) else ""
            return f"...{condition}{self.directive()} {self.selection_set(on, depth + 1)}"
        name = self.name("F")
        self.fragments.append(f"fragment {name} on {on.name} {self.selection_set(on, depth + 1)}")
        return f"...{name}{self.directive()}"

    def directive(self) -> str:
        if not self.chance(12):
            return ""
        kind = self.dice.choice(["skip", "include"])
        if self.chance(50):
            return f" @{kind}(if: {json.dumps(self.chance(50))})"
        name = self.name("v")
        self.definitions.append(f"${name}: Boolean!")
        if not self.chance(3):
            self.variables[name] = self.chance(50)
        return f" @{kind}(if: ${name})"

    def argument(self, input_: Any) -> str | None:
        required = isinstance(input_.type, GraphQLNonNull) and input_.default_value is not None
        if not (required or self.chance(60)):
            return None
        if not self.chance(50):
            return self.literal(input_.type)
        name = self.name("v")
        default = f" = {self.literal(input_.type, constant=True)}" if self.chance(15) else ""
        self.definitions.append(f"${name}: {input_.type}{default}")
        if isinstance(input_.type, GraphQLNonNull) or self.chance(80):
            self.variables[name] = self.json(input_.type)
        return f"${name}"

    def json(self, type_: Any) -> Any:
        """Return a value for a variable, and sometimes a wrong one."""
        if self.chance(3):
            return self.dice.choice(WRONG)
        if isinstance(type_, GraphQLNonNull):
            return self.json(type_.of_type)
        if self.chance(5):
            return None
        if isinstance(type_, GraphQLList):
            return [self.json(type_.of_type) for _ in range(self.dice.randint(0, 2))]
        if isinstance(type_, GraphQLInputObjectType):
            return {name: self.json(member.type) for name, member in self.members(type_)}
        if isinstance(type_, GraphQLEnumType):
            return self.dice.choice(sorted(type_.values))
        return self.dice.choice(SCALARS[type_.name])

    def literal(self, type_: Any, *, constant: bool = False) -> str:
        """Return a literal, sometimes with variables in it."""
        if isinstance(type_, GraphQLNonNull):
            return self.literal(type_.of_type, constant=constant)
        if isinstance(type_, GraphQLList):
            items = [
                self.literal(type_.of_type, constant=constant)
                for _ in range(self.dice.randint(0, 2))
            ]
            return f"[{', '.join(items)}]"
        if isinstance(type_, GraphQLInputObjectType):
            members = [
                f"{name}: {value}"
                for name, member in self.members(type_)
                if (value := self.member(member, constant=constant)) is not None
            ]
            return "{" + ", ".join(members) + "}"
        if isinstance(type_, GraphQLEnumType):
            return str(self.dice.choice(sorted(type_.values)))
        return json.dumps(self.dice.choice(SCALARS[type_.name]))

    def members(self, type_: GraphQLInputObjectType) -> list[tuple[str, Any]]:
        """Return the members to give: one of a one-of input, and sometimes none or several."""
        members = list(type_.fields.items())
        if is_one_of(type_) and self.chance(90):
            return [self.dice.choice(members)]
        return [
            (name, member)
            for name, member in members
            if isinstance(member.type, GraphQLNonNull) or self.chance(25)
        ]

    def member(self, member: Any, *, constant: bool) -> str | None:
        if constant or self.chance(70):
            return self.literal(member.type, constant=constant)
        return self.argument(member)


def request_for(schema: GraphQLSchema, dice: random.Random) -> Request:
    """Return a request with a document that is mostly valid, and with any variables."""
    is_query = schema.mutation_type is None or dice.randrange(10) < 7
    root = schema.query_type if is_query else schema.mutation_type
    assert root is not None
    return Writer(schema, dice).request(root, "query" if is_query else "mutation")
