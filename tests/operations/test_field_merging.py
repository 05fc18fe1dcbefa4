"""Fields that cannot be merged are refused: the same documents as by graphql-core's rule."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    OverlappingFieldsCanBeMergedRule,
    build_schema,
    parse,
    validate,
)
from graphql.validation.rules import overlapping_fields_can_be_merged

from app.operations.field_merging import merging_errors

DOCUMENTS = Path(__file__).parent / "field_merging.graphql"
"""Documents in sections: a schema, then documents that fit it. `### Refused` begins the title of
one that has fields that cannot be merged, `### Accepted` that of any other.
"""


def cases() -> Iterator[tuple[str, str, str]]:
    """Yield a title, a schema and a document for each document of the file."""
    schema = ""
    for section in DOCUMENTS.read_text().split("### ")[1:]:
        title, _, text = section.partition("\n")
        if title.startswith("Schema"):
            schema = text
        else:
            yield title, schema, text


CASES = {title: (schema, text) for title, schema, text in cases()}


@pytest.mark.parametrize("title", CASES)
def test_documents_are_refused_and_accepted_as_by_graphql_core(title: str) -> None:
    sdl, text = CASES[title]
    schema, document = build_schema(sdl), parse(text)
    assert title.partition(":")[0] == verdict(by_graphql_core(schema, document))
    assert title.partition(":")[0] == verdict(merging_errors(schema, document, 5))


def by_graphql_core(schema: GraphQLSchema, document: DocumentNode) -> list[GraphQLError]:
    return validate(schema, document, [OverlappingFieldsCanBeMergedRule], max_errors=1)


def verdict(errors: list[GraphQLError]) -> str:
    return "Refused" if errors else "Accepted"


SDL = """
    type Query { box: Box, a: A, b: B, one: One, many: [Box!]!, n(x: Int, y: In): Int }
    input In { p: Int, q: [Int] }
    interface Box { box: Box, n(x: Int, y: In): Int, text: String, boxes: [Box] }
    interface Other { text: String }
    union One = A | B
    type A implements Box & Other {
        box: A, a: A, n(x: Int, y: In): Int, text: String, list: [Int], boxes: [A], one: One, f: Int
    }
    type B implements Box {
        box: B, a: A, n(x: Int, y: In): Int, text: String!, list: [Int!], boxes: [B], f: Float
    }
    type C implements Box & Other { box: Box, n(x: Int, y: In): Int, text: String!, boxes: [Box] }
"""
SCHEMA = build_schema(SDL)
FIELDS = {
    "Query": "box a b one many n __typename",
    "Box": "box n text boxes __typename",
    "Other": "text __typename",
    "One": "__typename",
    "A": "box a n text list boxes one f __typename",
    "B": "box a n text list boxes f __typename",
    "C": "box n text boxes __typename",
}
"""The fields of each type."""

TYPE_OF = {
    ("Query", "box"): "Box",
    ("Query", "b"): "B",
    ("Query", "many"): "Box",
    ("Box", "box"): "Box",
    ("Box", "boxes"): "Box",
    ("C", "box"): "Box",
    ("C", "boxes"): "Box",
    ("A", "box"): "A",
    ("A", "boxes"): "A",
    ("B", "box"): "B",
    ("B", "boxes"): "B",
} | {(type_, name): name.title() for type_ in ("Query", "A", "B") for name in ("a", "one")}
"""The types of the fields that have fields."""

POSSIBLE = {
    "Query": ["Query"],
    "Box": ["A", "B", "A", "B", "C", "Box", "Other"],
    "Other": ["Other", "A", "C", "Box"],
    "One": ["A", "B", "A", "B", "Box"],
    "A": ["A", "Box", "One", "Other"],
    "B": ["B", "Box", "One"],
    "C": ["C", "Box", "Other"],
}
"""The types of the fragments that may be spread on a type."""

OBJECTS = ("Query", "A", "B", "C")
ARGUMENTS = ["", "(x: 1)", "(x: 2)", "(x: $v)", "(x: $w)", "(y: {p: 1, q: [1, 2]})"]
ARGUMENTS += ["(y: {q: [1, 2], p: 1})", "(x: 1, y: null)", "(y: null, x: 1)", "(y: {q: [$v]})"]


class Writer:
    """Writes one random document that the other rules accept, but for unused fragments."""

    def __init__(self, choices: random.Random) -> None:
        self._choices = choices
        types = [choices.choice(["Box", "A", "B", "C", "One"]) for _ in range(choices.randrange(6))]
        self._fragments = list(enumerate(types))
        self._arguments = choices.sample(ARGUMENTS, choices.choice([1, 1, 1, 2, 4]))
        self._aliased = choices.choice([0, 0, 0.05, 0.3])
        """How many of the fields have an alias."""

    def document(self) -> str:
        """Return an operation and fragments, each of which spreads only those behind it."""
        parts = [f"query($v: Int, $w: Int) {self.selections('Query', -1, 0)}"]
        for number, type_ in self._fragments:
            parts.append(f"fragment F{number} on {type_} {self.selections(type_, number, 1)}")
        return "\n".join(parts)

    def selections(self, type_: str, fragment: int, depth: int) -> str:
        count = self._choices.choice([1, 1, 2, 2, 3])
        selections = [self.selection(type_, fragment, depth) for _ in range(count)]
        return f"{{ {' '.join(selections)} }}"

    def selection(self, type_: str, fragment: int, depth: int) -> str:
        choices, kind = self._choices, self._choices.random()
        if kind < (0.2 if type_ in OBJECTS else 0.5) and depth < 7:
            inner = choices.choice([None, *POSSIBLE[type_]])
            condition = f"on {inner} " if inner else ""
            return f"... {condition}{self.selections(inner or type_, fragment, depth + 1)}"
        behind = [n for n, on in self._fragments if n > fragment and on in POSSIBLE[type_]]
        if kind < 0.6 and behind:
            return f"...F{choices.choice(behind)}"
        name = choices.choice(FIELDS[type_].split())
        below = TYPE_OF.get((type_, name))
        if below and depth >= 5:
            name, below = "__typename", None
        alias = ""
        if choices.random() < self._aliased:
            alias = choices.choice(["n: ", "box: ", "text: "])
        arguments = choices.choice(self._arguments) if name == "n" else ""
        return (
            alias
            + name
            + arguments
            + (f" {self.selections(below, fragment, depth + 1)}" if below else "")
        )


@pytest.mark.parametrize("seed", range(4))
def test_random_documents_are_refused_and_accepted_as_by_graphql_core(
    seed: int, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overlapping_fields_can_be_merged, "MAX_COMPLEXITY_BUDGET", 10**12)
    long = request.config.getoption("--long")
    choices = random.Random(None if long else seed)
    verdicts = []
    for _ in range(10_000 if long else 200):
        text = Writer(choices).document()
        document = parse(text)
        verdicts.append(verdict(by_graphql_core(SCHEMA, document)))
        assert verdict(merging_errors(SCHEMA, document, 1)) == verdicts[-1], text
    # Documents of both kinds are among them.
    assert min(verdicts.count(each) for each in ("Refused", "Accepted")) > len(verdicts) // 8


def test_an_error_names_the_fields_and_says_why() -> None:
    document = parse("{ box { ...F text } box { text: n } } fragment F on Box { n box { text } }")
    (error,) = merging_errors(SCHEMA, document, 5)
    assert error.message.startswith("Fields 'box.text' conflict because they return conflicting")
    assert [(place.line, place.column) for place in error.locations or ()] == [(1, 14), (1, 27)]


def test_each_conflict_is_told_once_and_no_more_than_are_wanted() -> None:
    conflict = "a { f } a { f: text }"
    text = " ".join(f"a{n}: a {{ {conflict} }}" for n in range(9))
    document = parse(f"{{ ...F b {{ box {{ {conflict} }} }} {text} }} fragment F on Query {{ b }}")
    for most in (1, 5, 10):
        assert len(merging_errors(SCHEMA, document, most)) == most
    assert len(merging_errors(SCHEMA, document, 100)) == 10


@pytest.mark.parametrize("spreads", ["...G", "box { ...G }", "boxes { ...G } box { ...F }"])
def test_fragments_that_spread_themselves_end(spreads: str) -> None:
    fragments = f"fragment F on Box {{ n {spreads} }} fragment G on Box {{ n box {{ ...F }} }}"
    document = parse(f"{{ box {{ ...F ...G }} }} {fragments}")
    assert merging_errors(SCHEMA, document, 5) == []
