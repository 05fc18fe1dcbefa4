"""The tools: a fixed set, each one document with a description for assistants."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from app.mcp import answers, documents, results
from app.mcp import arguments as a
from app.mcp.answers import Answer, Data


@dataclass(frozen=True)
class Tool:
    """A document that assistants can run."""

    name: str
    title: str
    description: str
    document: str
    arguments: type[a.Arguments]
    result: type[results.Result]
    variables: Callable[[Any], dict[str, Any]]
    """Makes the document's variables of the arguments; of a change, those of its input."""
    answer: Callable[[Data], Answer]
    """Tells the data; of a change, what its mutation returned, and its name as `action`."""
    destroys: bool = False
    """Whether something of the user's is written over, or goes away. `undo` brings it back."""
    is_idempotent: bool = True
    """Whether the same arguments, sent again without `actionKey`, change nothing more."""

    @property
    def changes(self) -> bool:
        return issubclass(self.arguments, a.Action)


def _as_they_are(given: a.Arguments) -> dict[str, Any]:
    """Return the arguments that were sent, by the names that the schema has for them."""
    return given.model_dump(by_alias=True, exclude_unset=True, exclude={"action_key"})


def _find(given: a.FindTasks) -> dict[str, Any]:
    due = {"from": given.due_from, "through": given.due_through}
    conditions = {
        "search": given.search,
        "status": given.status,
        "trash": "ONLY" if given.in_trash else "EXCLUDE",
        "listId": given.list_id,
        "inbox": given.inbox,
        "labels": {"all": given.labels} if given.labels else None,
        "priorities": given.priorities or None,
        "dueOn": due if any(due.values()) else None,
        "hasDueDate": given.has_due_day,
    }
    return {
        # A condition that is there is paid for, whatever it is.
        "filter": {name: value for name, value in conditions.items() if value is not None},
        "orderBy": {"field": given.order_by, "direction": "DESC" if given.descending else "ASC"},
        "first": given.first,
        "after": given.after,
    }


def _page(given: a.Page) -> dict[str, Any]:
    return given.model_dump()


def _due(given: a.DueTasks) -> dict[str, Any]:
    days = {"from": given.today, "through": given.through or given.today}
    return {
        "late": {"status": "PENDING", "overdue": {"today": given.today}},
        "due": {"status": "PENDING", "dueOn": days},
        "first": given.first,
    }


UNDO = "The answer names the change as `action`, by which `undo` takes it back within 24 hours."

_ALL = [
    Tool(
        "find_tasks",
        "Find tasks",
        "Find the user's tasks: by words, list, labels, priority, day, or whether they are done. "
        "For what is due today or late, take due_tasks.",
        documents.FIND_TASKS,
        a.FindTasks,
        results.Found,
        _find,
        answers.found,
    ),
    Tool(
        "get_task",
        "Look at a task",
        "One task with its description, its subtasks, and how it recurs.",
        documents.GET_TASK,
        a.GetTask,
        results.WholeTask,
        _as_they_are,
        answers.whole,
    ),
    Tool(
        "due_tasks",
        "What is due",
        "What is overdue, and what is due today or in the next days.",
        documents.DUE_TASKS,
        a.DueTasks,
        results.Due,
        _due,
        answers.due_and_late,
    ),
    Tool(
        "get_lists",
        "Lists",
        "The user's lists, in their order, and how many pending tasks each has.",
        documents.GET_LISTS,
        a.Page,
        results.Lists,
        _page,
        answers.lists_of,
    ),
    Tool(
        "get_labels",
        "Labels",
        "The labels that the user's tasks have.",
        documents.GET_LABELS,
        a.Page,
        results.Labels,
        _page,
        answers.labels_of,
    ),
    Tool(
        "add_tasks",
        "Add tasks",
        f"Add one task or up to 100: all of them, or none. {UNDO}",
        documents.ADD_TASKS,
        a.AddTasks,
        results.Changed,
        _as_they_are,
        answers.changed("Added"),
        is_idempotent=False,
    ),
    Tool(
        "add_list",
        "Add a list",
        f"Add a list of tasks. {UNDO}",
        documents.ADD_LIST,
        a.AddList,
        results.AddedList,
        _as_they_are,
        answers.added_list,
        is_idempotent=False,
    ),
    Tool(
        "complete_tasks",
        "Complete tasks",
        "Mark tasks as completed, with their subtasks. Where one recurs, the next is made. " + UNDO,
        documents.COMPLETE_TASKS,
        a.CompleteTasks,
        results.Changed,
        lambda given: {**_as_they_are(given), "completed": True},
        answers.changed("Completed"),
    ),
    Tool(
        "reopen_tasks",
        "Reopen tasks",
        f"Mark tasks as not completed. {UNDO}",
        documents.REOPEN_TASKS,
        a.Tasks,
        results.Changed,
        lambda given: {**_as_they_are(given), "completed": False},
        answers.changed("Reopened"),
    ),
    Tool(
        "edit_task",
        "Edit a task",
        "Change a task's title, description, day, time, priority, labels, or how it recurs. "
        f"To change only what you have seen, send its version as `expectedVersion`. {UNDO}",
        documents.EDIT_TASK,
        a.EditTask,
        results.Changed,
        _as_they_are,
        answers.changed("Changed"),
        destroys=True,
    ),
    Tool(
        "move_task",
        "Move a task",
        "Put a task into a list, below another task, or elsewhere among its neighbours. " + UNDO,
        documents.MOVE_TASK,
        a.MoveTask,
        results.Changed,
        _as_they_are,
        answers.changed("Moved"),
    ),
    Tool(
        "plan_day",
        "Plan a day",
        f"Set the day, and maybe the time, on which several tasks are due. {UNDO}",
        documents.PLAN_DAY,
        a.PlanDay,
        results.Changed,
        _as_they_are,
        answers.changed("Planned"),
        destroys=True,
    ),
    Tool(
        "trash_tasks",
        "Move tasks into the trash",
        "Move tasks into the trash, with their subtasks. They can be restored for some weeks. "
        + UNDO,
        documents.TRASH_TASKS,
        a.Tasks,
        results.Changed,
        _as_they_are,
        answers.changed("Trashed"),
        destroys=True,
    ),
    Tool(
        "restore_tasks",
        "Restore tasks from the trash",
        f"Restore tasks from the trash. {UNDO}",
        documents.RESTORE_TASKS,
        a.Tasks,
        results.Changed,
        _as_they_are,
        answers.changed("Restored"),
    ),
    Tool(
        "undo",
        "Undo",
        "Take back one change, and what followed from it: within 24 hours, and if nothing of it "
        "has changed since. What it added goes into the trash. " + UNDO,
        documents.UNDO,
        a.Undo,
        results.Undone,
        _as_they_are,
        answers.undone,
        destroys=True,
    ),
]

TOOLS: Mapping[str, Tool] = {tool.name: tool for tool in _ALL}
"""The tools by their names."""
