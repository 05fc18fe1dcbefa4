"""The menu of examples on GraphiQL's page: read from the files in `examples/`."""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

GROUPS = {
    "Tasks": "tasks.toml",
    "Changes": "changes.toml",
    "Lists and days": "lists.toml",
}
"""The groups of the menu, in its order, and their files."""


@dataclass(frozen=True, slots=True)
class Example:
    """A document with one operation, whose name is the tab's title, and its variables."""

    intent: str
    """What somebody wants who runs it."""
    query: str
    variables: Mapping[str, Any]
    opens: bool
    """Whether it is in a tab at the first visit."""

    @property
    def tab(self) -> Mapping[str, str]:
        """The example as GraphiQL takes a tab."""
        return {"query": self.query, "variables": json.dumps(self.variables, indent=2)}


def _read(name: str) -> dict[str, Any]:
    return tomllib.loads((resources.files("app.graphiql") / "examples" / name).read_text("utf-8"))


@cache
def groups() -> Mapping[str, tuple[Example, ...]]:
    """Return the examples by group."""
    return {
        group: tuple(
            Example(
                example["intent"],
                example["document"].strip(),
                json.loads(example.get("variables", "{}")),
                example.get("opens", False),
            )
            for example in _read(name)["example"]
        )
        for group, name in GROUPS.items()
    }


@cache
def at_hand() -> Mapping[str, Any]:
    """Return the document that the page asks before it opens an example, and what it is for."""
    read = _read("at_hand.toml")
    return {"document": read.pop("document"), "values": read}


def at_first() -> list[Example]:
    """Return the examples that are in tabs at the first visit."""
    return [example for examples in groups().values() for example in examples if example.opens]


def as_json() -> bytes:
    """Return what the page's menu is filled with."""
    as_told = {
        group: [
            {"intent": example.intent, "query": example.query, "variables": example.variables}
            for example in examples
        ]
        for group, examples in groups().items()
    }
    return json.dumps({"groups": as_told, "atHand": at_hand()}).encode()
