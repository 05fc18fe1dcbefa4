// Everything on the device, as a file that `todo-api import` reads: docs/import.md says what is in it.
import type { Recurrence, Task, TaskList, Things } from "@todo-api/client/things";

/** Save the file, and return its name. */
export function downloadEverything(things: Things, now = new Date()): string {
  const name = `tasks-${now.toLocaleDateString("sv")}.json`;
  const url = URL.createObjectURL(new Blob([fileOf(things, now)], { type: "application/json" }));
  const link = document.createElement("a");
  Object.assign(link, { href: url, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
  return name;
}

/** One object a line. What stands first in the file stands first in its list. */
export function fileOf({ tasks, lists }: Things, now: Date): string {
  const head = JSON.stringify({ format: "todo-api", version: 1, exportedAt: now.toISOString() });
  const lines = (objects: object[]) => objects.map((each) => JSON.stringify(each)).join(",\n");
  // A subtask comes after what it is a subtask of.
  const ordered = inOrder(tasks).sort((one, other) => Number(!!one.parentId) - Number(!!other.parentId));
  return `${head.slice(0, -1)},
"lists": [
${lines(inOrder(lists).map(listObject))}
],
"tasks": [
${lines(ordered.map((task) => taskObject(task, tasks, lists)))}
]}
`;
}

function inOrder<Kind extends Task | TaskList>(things: ReadonlyMap<string, Kind>): Kind[] {
  return [...things.values()].sort((one, other) =>
    one.position === other.position ? 0 : one.position < other.position ? -1 : 1,
  );
}

const listObject = ({ id, name, createdAt, updatedAt, deletedAt }: TaskList) =>
  given({ id, name, createdAt, updatedAt, deletedAt });

const taskObject = (task: Task, tasks: Things["tasks"], lists: Things["lists"]) =>
  given({
    id: task.id,
    list: task.listId && lists.has(task.listId) ? task.listId : null,
    parent: task.parentId && tasks.has(task.parentId) ? task.parentId : null,
    title: task.title,
    description: task.description,
    completedAt: task.completedAt,
    completedOn: task.completedOn,
    dueOn: task.dueOn,
    dueTime: task.dueTime?.slice(0, 5),
    priority: task.priority === "NONE" ? null : task.priority,
    labels: task.labels.length ? task.labels : null,
    recurrence: task.recurrence && ruleOf(task.recurrence),
    createdAt: task.createdAt,
    updatedAt: task.updatedAt,
    deletedAt: task.deletedAt,
  });

const WEEKDAYS = ["MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY"];

/** A rule as the file has it: weekdays by their number, from Monday on, and nothing that follows from the rest. */
function ruleOf(recurrence: Recurrence) {
  const { every, unit, weekdays, ordinal, monthDay, month, from, start, until, remaining } = recurrence;
  const days = weekdays.map((day) => WEEKDAYS.indexOf(day) + 1).sort();
  const which = days.length ? days : null;
  return given({ every, unit, weekdays: which, ordinal, monthDay, month, from, start, until, remaining });
}

function given(values: Record<string, unknown>) {
  const isGiven = ([, value]: [string, unknown]) => value !== null && value !== undefined;
  return Object.fromEntries(Object.entries(values).filter(isGiven));
}
