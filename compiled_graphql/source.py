"""The text of the functions of an operation, while it is written."""

from collections.abc import Mapping
from typing import Any

from compiled_graphql.exceptions import NotCompiled

LINES_MAX = 200
"""The number of lines that an operation may have. A line takes about a kilobyte of memory."""


class Source:
    """The source of the functions of an operation, and the values of the names in it."""

    def __init__(self, names: Mapping[str, object]) -> None:
        self.names = dict(names)
        self.lines: list[str] = []

    def name(self, prefix: str, value: object = None) -> str:
        """Return a new name, for a value or for a function that the source will define."""
        name = f"{prefix}_{len(self.names)}"
        self.names[name] = value
        return name

    def build(self) -> Mapping[str, Any]:
        """Define the functions, and return the values of all names.

        The source contains no text of a request but names that were checked, and literals.

        Raises:
            NotCompiled: the functions would take too much memory.
        """
        if len(self.lines) > LINES_MAX:
            raise NotCompiled("too many lines")
        exec("\n".join(self.lines), self.names)  # noqa: S102
        return self.names
