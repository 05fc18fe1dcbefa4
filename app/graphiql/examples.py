"""The operations in GraphiQL's first tabs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

ANY_TASK = "the id of a task, from the first tab"
"""A placeholder: the page puts in the id of one of the user's tasks, if there is one."""
ANY_DAY = "2026-01-31"
"""A placeholder: the page puts in the day it is where its reader is."""
ANY_OLD_VERSION = 0
"""A placeholder: the page puts in the version that the task had before its last change."""


@dataclass(frozen=True, slots=True)
class Example:
    """A document with one operation, whose name is the tab's title, and its variables."""

    query: str
    variables: Mapping[str, Any]


LIST = Example(
    """\
# Your tasks, the last changed first.
# Run: Ctrl-Enter. The next page: put
# endCursor into "after", below.
query ListTasks($first: Int, $after: String) {
  tasks(
    first: $first
    after: $after
    orderBy: { field: UPDATED_AT, direction: DESC }
  ) {
    nodes {
      id
      title
      completed
      version
    }
    pageInfo {
      hasNextPage
      endCursor
    }
    totalCount
  }
}""",
    {"first": 2, "after": None},
)
CREATE = Example(
    """\
# A new task. What a form can show comes
# as data: try an empty title.
mutation CreateTask($input: CreateTaskInput!) {
  createTask(input: $input) {
    ... on Task {
      id
      title
      createdAt
      version
    }
    ... on InvalidInput {
      issues {
        path
        code
        message
      }
    }
  }
}""",
    {"input": {"title": "Water the plants", "description": "The fern twice"}},
)
UPDATE = Example(
    """\
# What is left out stays as it is;
# null clears a description.
mutation UpdateTask($input: UpdateTaskInput!) {
  updateTask(input: $input) {
    ... on Task {
      title
      description
      completed
      version
    }
    ... on UserError {
      message
    }
  }
}""",
    {"input": {"id": ANY_TASK, "description": "Changed in GraphiQL", "completed": True}},
)
CONFLICT = Example(
    """\
# The task has changed since the version
# that you have seen: nothing is written,
# and you get it as it is now.
mutation EditConflict($input: UpdateTaskInput!) {
  updateTask(input: $input) {
    __typename
    ... on Task {
      title
      version
    }
    ... on VersionConflict {
      message
      current {
        title
        version
      }
    }
    ... on UserError {
      message
    }
  }
}""",
    {"input": {"id": ANY_TASK, "title": "Too late", "expectedVersion": ANY_OLD_VERSION}},
)
BADGE = Example(
    """\
# The number for a badge: counted, not read.
query PendingCount($filter: TaskFilter) {
  tasks(filter: $filter, first: 0) {
    totalCount
  }
}""",
    {"filter": {"status": "PENDING"}},
)
SEARCH = Example(
    """\
# Words in any order, by their beginnings.
# trash: ONLY looks among deleted tasks.
query FindTasks($filter: TaskFilter) {
  tasks(filter: $filter) {
    totalCount
    nodes {
      title
      description
      deletedAt
    }
  }
}""",
    {"filter": {"search": "plants wat", "trash": "EXCLUDE"}},
)

LIVE = Example(
    """\
# Run this, then change a task in another tab
# or window: it shows here at once.
subscription FollowChanges {
  changes {
    cursor
    node {
      kind
      id
      node {
        ... on Task {
          title
          completed
          version
        }
        ... on TaskList {
          name
          version
        }
      }
    }
  }
}""",
    {},
)
LISTS = Example(
    """\
# Your lists, in the order by hand, with
# what is at the top of each.
query Lists($first: Int) {
  lists(first: $first) {
    totalCount
    nodes {
      id
      name
      pendingCount
      tasks(
        first: 3
        orderBy: { field: POSITION, direction: ASC }
      ) {
        nodes {
          title
          completed
        }
      }
    }
  }
}""",
    {"first": 10},
)
TODAY = Example(
    """\
# What is due today, and what is late.
# The server has no day of its own: you say it.
query Today($today: Date!) {
  tasks(
    filter: {
      status: PENDING
      dueOn: { through: $today }
    }
    orderBy: { field: DUE, direction: ASC }
  ) {
    totalCount
    nodes {
      title
      dueOn
      dueTime
      priority
      labels
    }
  }
}""",
    {"today": ANY_DAY},
)

SUBTASKS = Example(
    """\
# Tasks at the top, with their subtasks,
# all of which are read at once.
query Subtasks($filter: TaskFilter) {
  tasks(filter: $filter) {
    nodes {
      title
      subtaskCount
      subtasks {
        id
        title
        completed
      }
    }
  }
}""",
    {"filter": {"level": "TOP"}},
)
MOVE = Example(
    """\
# To the top of its siblings. Try last,
# or before or after another's id.
mutation MoveTask($input: MoveTaskInput!) {
  moveTask(input: $input) {
    ... on Task {
      title
      position
    }
    ... on UserError {
      message
    }
  }
}""",
    {"input": {"id": ANY_TASK, "place": {"first": True}}},
)

PLAN = Example(
    """\
# Several tasks at once: all are made, or
# none. listId puts one into a list of yours.
mutation PlanWeek($input: CreateTasksInput!) {
  createTasks(input: $input) {
    __typename
    ... on CreateTasksSuccess {
      tasks {
        id
        title
        dueOn
        dueTime
        priority
        labels
      }
    }
    ... on UserError {
      message
    }
    ... on InvalidInput {
      issues {
        path
        code
        message
      }
    }
  }
}""",
    {
        "input": {
            "tasks": [
                {"title": "Dentist", "dueOn": ANY_DAY, "dueTime": "09:00", "priority": "HIGH"},
                {"title": "Groceries", "labels": ["errand"]},
            ]
        }
    },
)
RECUR = Example(
    """\
# Completed, it is due again: then a new task
# is made. As text: rrule: "FREQ=WEEKLY".
mutation Recur($input: CreateTaskInput!) {
  createTask(input: $input) {
    ... on Task {
      id
      title
      dueOn
      recurrence {
        rrule
        next(first: 3)
      }
    }
    ... on InvalidInput {
      issues {
        path
        message
      }
    }
  }
}""",
    {
        "input": {
            "title": "Water the plants",
            "dueOn": ANY_DAY,
            "recurrence": {"rule": {"unit": "WEEK", "every": 2}},
        }
    },
)
BY_LABEL = Example(
    """\
# By labels; upper and lower case are alike.
# Also try dueOn: { from, through }.
query ByLabel($filter: TaskFilter) {
  tasks(
    filter: $filter
    orderBy: { field: DUE, direction: ASC }
  ) {
    totalCount
    nodes {
      title
      dueOn
      labels
    }
  }
}""",
    {"filter": {"status": "PENDING", "labels": {"any": ["errand"], "none": ["someday"]}}},
)
CHANGE_SEVERAL = Example(
    """\
# The same change in many tasks. missingIds
# are those that you do not have.
mutation ChangeSeveral($input: UpdateTasksInput!) {
  updateTasks(input: $input) {
    __typename
    ... on UpdateTasksSuccess {
      tasks {
        title
        priority
        labels
      }
      missingIds
    }
    ... on UserError {
      message
    }
    ... on InvalidInput {
      issues {
        path
        message
      }
    }
  }
}""",
    {"input": {"ids": [ANY_TASK], "priority": "HIGH", "addLabels": ["errand"]}},
)

EXAMPLES = (
    *(LIST, CREATE, UPDATE, CONFLICT, BADGE, SEARCH, LISTS, TODAY, LIVE),
    *(SUBTASKS, MOVE, PLAN, RECUR, BY_LABEL, CHANGE_SEVERAL),
)
