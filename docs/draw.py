"""Draws which room imports which, from the code's own imports, into architecture.md.

`uv run python docs/draw.py` rewrites the picture, without arrows that follow from two others.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

import grimp

PAGE = Path(__file__).with_name("architecture.md")
START, END = "<!-- imports -->\n", "<!-- /imports -->"
PACKAGES = [
    "models",
    "graphql_schema",
    "auth",
    "resolvers",
    "compiled_graphql",
    "pipelined_postgres",
    "app",
]
PARTS_OF_SETTINGS = ("settings", "configuration", "failure")
ROOMS_OF_APP = {
    "telemetry",
    "database",
    "exchange",
    "operations",
    "http",
    "mcp",
    "graphiql",
    "processes",
    "commands",
}

Arrows = Mapping[str, set[str]]
"""The rooms that each room imports."""


def room_of(module: str) -> str:
    """Return the room of a module; the hall is the modules of `app` that lie in no folder.

    What all of `app` may import is drawn as one: the settings, and how a failure is told.
    """
    package, _, rest = module.partition(".")
    if package == "graphql_schema" and rest == "schema":
        return "graphql_schema.schema"
    if package != "app":
        return package
    room = "commands" if rest in ("cli", "__main__") else rest.partition(".")[0]
    if room in ROOMS_OF_APP:
        return f"app.{room}"
    return "app.settings" if room in PARTS_OF_SETTINGS else "the hall"


def arrows() -> Arrows:
    graph = grimp.build_graph(*PACKAGES)
    found: dict[str, set[str]] = {}
    for module in sorted(graph.modules):
        room = room_of(module)
        imported = {room_of(each) for each in graph.find_modules_directly_imported_by(module)}
        found.setdefault(room, set()).update(imported - {room})
    return found


def _reachable_behind(rooms: Iterable[str], arrows: Arrows) -> set[str]:
    """Return what the rooms import, directly or through others."""
    seen: set[str] = set()
    waiting = [imported for room in rooms for imported in arrows[room]]
    while waiting:
        room = waiting.pop()
        if room not in seen:
            seen.add(room)
            waiting += arrows[room]
    return seen


def picture(arrows: Arrows) -> str:
    """Return the picture in Mermaid's language, without arrows that follow from others."""
    drawn = [
        f"    {_id(room)}[{room}] --> {_id(other)}[{other}]"
        for room, imported in sorted(arrows.items())
        for other in sorted(imported - _reachable_behind(imported, arrows))
    ]
    return "\n".join(["```mermaid", "flowchart TD", *drawn, "```", ""])


def _id(room: str) -> str:
    return room.replace(".", "_").replace(" ", "_")


def drawn(page: str) -> str:
    """Return the page with the picture of today's imports."""
    before, _, rest = page.partition(START)
    _, _, after = rest.partition(END)
    return before + START + picture(arrows()) + END + after


if __name__ == "__main__":
    PAGE.write_text(drawn(PAGE.read_text()))
