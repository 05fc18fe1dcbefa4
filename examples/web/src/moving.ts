// Moving a task by keys, in a list that is ordered by hand. Each answers with what is to be told.
import type { Device } from "@todo-api/client/device";
import type { Task } from "@todo-api/client/things";
import { place } from "./actions";
import type { Counts, Line } from "./shown";

const isBeside = (task: Task) => (line: Line) =>
  (line.isSub ? line.task.parentId : null) === (task.parentId ?? null);

/** One place up or down among the siblings that are shown. */
export async function moveBy(
  device: Device,
  lines: readonly Line[],
  task: Task,
  by: -1 | 1,
): Promise<string | null> {
  const siblings = lines.filter(isBeside(task)).map((line) => line.task);
  const to = siblings.findIndex(({ id }) => id === task.id) + by;
  const other = siblings[to];
  if (!other) return null;
  await place(device, task, { place: by < 0 ? { before: other.id } : { after: other.id } });
  return `${task.title}, ${to + 1} of ${siblings.length}`;
}

/** The task above that it would become a subtask of. */
function parentFor(lines: readonly Line[], task: Task): Task | undefined {
  const at = lines.findIndex((line) => line.task.id === task.id);
  return lines.slice(0, Math.max(at, 0)).findLast(({ isSub }) => !isSub)?.task;
}

/** Subtasks have none themselves, and do not recur. */
export const canIndent = (lines: readonly Line[], task: Task, counts: Counts) =>
  !task.parentId &&
  !task.recurrence &&
  !counts.subtasks.has(task.id) &&
  parentFor(lines, task) !== undefined;

export async function indent(
  device: Device,
  lines: readonly Line[],
  task: Task,
): Promise<string | null> {
  const parent = parentFor(lines, task);
  if (!parent) return null;
  await place(device, task, { parentId: parent.id, place: { last: true } });
  return `${task.title} is a subtask of ${parent.title}`;
}

export async function outdent(device: Device, task: Task): Promise<string | null> {
  await place(device, task, { parentId: null, place: { after: task.parentId! } });
  return `${task.title} is no subtask any more`;
}
