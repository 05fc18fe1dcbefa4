"""The documents that the tools run: fixed texts, and the only ones.

What a mutation selects of a task are columns of its row, so that `tasks:write` is enough for it.
"""

TASK = "id title completed version dueOn dueTime priority labels"
IN_ITS_LIST = f"{TASK} list {{ id name }} parent {{ id }}"
PAGE = "pageInfo { hasNextPage endCursor }"

REASON = "... on UserError { message }"
REASONS = f"{REASON} ... on InvalidInput {{ issues {{ path message }} }}"
CONFLICT = f"... on VersionConflict {{ current {{ {TASK} }} }}"
"""Why nothing changed."""

FIND_TASKS = f"""
query McpFindTasks($filter: TaskFilter, $orderBy: TaskOrder, $first: Int, $after: String) {{
  tasks(filter: $filter, orderBy: $orderBy, first: $first, after: $after) {{
    nodes {{ {IN_ITS_LIST} }}
    totalCount
    {PAGE}
  }}
}}"""

GET_TASK = f"""
query McpGetTask($id: ID!) {{
  task(id: $id) {{
    {IN_ITS_LIST}
    description completedOn
    recurrence {{ rrule every unit from until remaining }}
    subtasks {{ {TASK} }}
  }}
}}"""

DUE_TASKS = f"""
query McpDueTasks($late: TaskFilter!, $due: TaskFilter!, $first: Int!) {{
  overdue: tasks(filter: $late, orderBy: {{ field: DUE, direction: ASC }}, first: $first) {{
    nodes {{ {IN_ITS_LIST} }}
    {PAGE}
  }}
  due: tasks(filter: $due, orderBy: {{ field: DUE, direction: ASC }}, first: $first) {{
    nodes {{ {IN_ITS_LIST} }}
    {PAGE}
  }}
}}"""

GET_LISTS = f"""
query McpGetLists($first: Int, $after: String) {{
  lists(first: $first, after: $after) {{ nodes {{ id name version pendingCount }} {PAGE} }}
}}"""

GET_LABELS = f"""
query McpGetLabels($first: Int, $after: String) {{
  labels(first: $first, after: $after) {{ nodes {{ name }} {PAGE} }}
}}"""

ADD_TASKS = f"""
mutation McpAddTasks($input: CreateTasksInput!) {{
  result: createTasks(input: $input) {{
    __typename
    ... on CreateTasksSuccess {{ tasks {{ {TASK} }} }}
    {REASONS}
  }}
}}"""


def _update_tasks(name: str) -> str:
    return f"""
mutation {name}($input: UpdateTasksInput!) {{
  result: updateTasks(input: $input) {{
    __typename
    ... on UpdateTasksSuccess {{ tasks {{ {TASK} }} missingIds }}
    {REASONS}
  }}
}}"""


COMPLETE_TASKS = _update_tasks("McpCompleteTasks")
REOPEN_TASKS = _update_tasks("McpReopenTasks")
PLAN_DAY = _update_tasks("McpPlanDay")

EDIT_TASK = f"""
mutation McpEditTask($input: UpdateTaskInput!) {{
  result: updateTask(input: $input) {{
    __typename
    ... on Task {{ {TASK} }}
    {REASONS} {CONFLICT}
  }}
}}"""

MOVE_TASK = f"""
mutation McpMoveTask($input: MoveTaskInput!) {{
  result: moveTask(input: $input) {{
    __typename
    ... on Task {{ {TASK} }}
    {REASONS} {CONFLICT}
  }}
}}"""

TRASH_TASKS = f"""
mutation McpTrashTasks($input: DeleteTasksInput!) {{
  result: deleteTasks(input: $input) {{
    __typename
    ... on DeleteTasksSuccess {{ tasks {{ {TASK} }} missingIds }}
    {REASONS}
  }}
}}"""

RESTORE_TASKS = f"""
mutation McpRestoreTasks($input: RestoreTasksInput!) {{
  result: restoreTasks(input: $input) {{
    __typename
    ... on RestoreTasksSuccess {{ tasks {{ {TASK} }} missingIds }}
    {REASONS}
  }}
}}"""

ADD_LIST = f"""
mutation McpAddList($input: CreateListInput!) {{
  result: createList(input: $input) {{
    __typename
    ... on TaskList {{ id name version }}
    {REASONS}
  }}
}}"""

UNDO = f"""
mutation McpUndo($input: UndoInput!) {{
  result: undo(input: $input) {{
    __typename
    ... on UndoSuccess {{
      changedCount
      changed {{ __typename id ... on Task {{ {TASK} }} ... on TaskList {{ name version }} }}
    }}
    {REASON}
  }}
}}"""
