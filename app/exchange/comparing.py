"""What a file has not kept of what was to be written: it is read back, and counted."""

from collections import Counter

from app.exchange.items import Contents, Item
from app.exchange.own import PRIORITIES


def missing(written: Contents, read: Contents) -> dict[str, int]:
    """Return what there is less of in the file, by its name, and how much.

    What is only said otherwise, such as an instant to the second, is not missing.
    """
    return dict(_parts(written) - _parts(read))


def _parts(contents: Contents) -> Counter[str]:
    parts = Counter[str]()
    for item in contents.items:
        parts.update(_parts_of(item))
    return parts


def _parts_of(item: Item) -> dict[str, int]:
    return {
        "tasks": 1,
        "subtasks": item.parent is not None,
        "completed": item.completed_at is not None,
        "descriptions": item.description is not None,
        "days": item.due_on is not None,
        "times": item.due_time is not None,
        "recurring": item.rule is not None,
        "labels": len(item.labels),
        # One of another priority is missing here.
        f"priority {PRIORITIES[item.priority]}": item.priority > 0,
    }
