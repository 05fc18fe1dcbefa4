"""The data of an answer, told: as data for programs, and as short text that assistants read.

Texts of the user are quoted as JSON there, so that they can be told from what the server says.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

Data = Mapping[str, Any]
"""Some of the data of a GraphQL answer."""


class Answer(NamedTuple):
    """What a tool returns."""

    text: str
    data: dict[str, Any]


class ToolFailed(Exception):
    """A tool did nothing: a sentence for the assistant says why."""


def found(data: Data) -> Answer:
    page = data["tasks"]
    tasks, more = page["nodes"], next_of(page)
    said = f"{len(tasks)} of {counted(page['totalCount'], 'task')}:" if tasks else "None is here."
    end = f"More: after {quoted(more)}." if more else ""
    text = lines(said, [line_of(task) for task in tasks], end)
    return Answer(text, {"tasks": tasks, "totalCount": page["totalCount"], "next": more})


def whole(data: Data) -> Answer:
    task = data["task"]
    if task is None:
        raise ToolFailed("You have no task with this id.")
    rule = task["recurrence"]
    text = lines(
        line_of(task),
        f"recurs: {rule['rrule'] or 'by a rule that RFC 5545 cannot say'}" if rule else "",
        f"description: {quoted(task['description'])}" if task["description"] else "",
        "subtasks:" if task["subtasks"] else "",
        [line_of(each) for each in task["subtasks"]],
    )
    return Answer(text, task)


def due_and_late(data: Data) -> Answer:
    late, due = data["overdue"], data["due"]
    more = any(map(next_of, (late, due)))
    text = lines(
        f"{counted(len(late['nodes']), 'task')} overdue:" if late["nodes"] else "None is overdue.",
        [line_of(task) for task in late["nodes"]],
        f"{counted(len(due['nodes']), 'task')} due:" if due["nodes"] else "None is due.",
        [line_of(task) for task in due["nodes"]],
        "There are more: ask for more of each, or by find_tasks." if more else "",
    )
    return Answer(text, {"overdue": late["nodes"], "due": due["nodes"], "more": more})


def lists_of(data: Data) -> Answer:
    page = data["lists"]
    told = [line_of_list(each) for each in page["nodes"]]
    data = {"lists": page["nodes"], "next": next_of(page)}
    return Answer(lines(f"{counted(len(told), 'list')}, besides the inbox.", told), data)


def labels_of(data: Data) -> Answer:
    page = data["labels"]
    names = [each["name"] for each in page["nodes"]]
    text = lines(f"{counted(len(names), 'label')}.", ", ".join(map(quoted, names)))
    return Answer(text, {"labels": names, "next": next_of(page)})


def _undo_of(data: Data) -> str:
    return f"To take this back: undo, with action {quoted(data['action'])}."


def changed(verb: str) -> Callable[[Data], Answer]:
    def told(data: Data) -> Answer:
        # A mutation of one task returns it as it is.
        tasks = data["tasks"] if "tasks" in data else [_without_type(data)]
        missing = data.get("missingIds", [])
        absent = f"You have no such task: {', '.join(map(quoted, missing))}." if missing else ""
        if missing and not tasks:
            raise ToolFailed(f"{absent} Nothing was changed.")
        done = f"{verb} {counted(len(tasks), 'task')}:"
        text = lines(done, [line_of(task) for task in tasks], absent, _undo_of(data))
        return Answer(text, {"tasks": tasks, "missingIds": missing, "action": data["action"]})

    return told


def added_list(data: Data) -> Answer:
    made = _without_type(data)
    text = lines("Added the list:", line_of_list(made), _undo_of(data))
    return Answer(text, {"list": made, "action": data["action"]})


def undone(data: Data) -> Answer:
    changed = data["changed"]
    tasks = [_without_type(each) for each in changed if each["__typename"] == "Task"]
    lists = [_without_type(each) for each in changed if each["__typename"] == "TaskList"]
    count = data["changedCount"]
    text = lines(
        f"Took back a change of {counted(count, 'thing')}. Now:",
        [line_of(task) for task in tasks],
        [line_of_list(each) for each in lists],
        _undo_of(data).replace("take this back", "do it again"),
    )
    counts = {"changedCount": count, "action": data["action"]}
    return Answer(text, {"tasks": tasks, "lists": lists, **counts})


def _without_type(data: Data) -> dict[str, Any]:
    return {name: value for name, value in data.items() if name not in ("__typename", "action")}


def quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def line_of(task: Data) -> str:
    """Return a line about a task: its id, what is to be done, and what else is known of it."""
    facts = [f"version {task['version']}"]
    if task["completed"]:
        facts.append("completed")
    if task["dueOn"]:
        facts.append("due " + " ".join(filter(None, (task["dueOn"], task["dueTime"]))))
    if task["priority"] != "NONE":
        facts.append(task["priority"])
    if task["labels"]:
        facts.append("labels " + ", ".join(map(quoted, task["labels"])))
    if task.get("list"):
        facts.append(f"list {task['list']['id']} {quoted(task['list']['name'])}")
    if task.get("parent"):
        facts.append(f"subtask of {task['parent']['id']}")
    return f"{task['id']} {quoted(task['title'])} ({'; '.join(facts)})"


def line_of_list(task_list: Data) -> str:
    """Return a line about a list."""
    pending = task_list.get("pendingCount")
    counted = "" if pending is None else f"; {pending} pending"
    name = quoted(task_list["name"])
    return f"{task_list['id']} {name} (version {task_list['version']}{counted})"


def next_of(page: Data) -> str | None:
    """Return the cursor of the next page; None where there is none."""
    info = page["pageInfo"]
    return info["endCursor"] if info["hasNextPage"] else None


def lines(*parts: str | Sequence[str]) -> str:
    """Return lines, and lists of them, as one text."""
    every = [[part] if isinstance(part, str) else part for part in parts]
    return "\n".join(line for part in every for line in part if line)


def counted(count: int, thing: str) -> str:
    return f"{count} {thing}{'' if count == 1 else 's'}"
