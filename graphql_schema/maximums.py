"""The most that documents may have, as the settings give it; `limits` checks it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """The most that a document may have of each. A fragment counts at each of its spreads."""

    tokens: int = 1000
    depth: int = 15
    """Fields within fields; GraphiQL's introspection needs 14."""
    aliases: int = 50
    directives: int = 50
    root_fields: int = 50
    nodes: int = 5000
    """Tasks that all pages together may hold; a size in a variable counts as the greatest."""
