// Changes in words, and why they were not made.
import type { Entry, Refused } from "@todo-api/client/outbox";
import type { Things } from "@todo-api/client/things";

type Input = Record<string, unknown>;

const quoted = (text: unknown) => `“${String(text ?? "")}”`;
const tasks = (count: number) => (count === 1 ? "1 task" : `${count} tasks`);
const those = (input: Input, name: string) => (input[name] as unknown[] | undefined) ?? [];

const FIELDS: Record<string, string> = {
  title: "title",
  description: "notes",
  dueOn: "due day",
  dueTime: "time",
  priority: "priority",
  labels: "labels",
  listId: "list",
  recurrence: "repeat rule",
  completed: "mark",
  name: "name",
};

export const fieldInWords = (name: string) => FIELDS[name] ?? name;

/** `title and notes`. */
export const fieldsInWords = (names: readonly string[]) =>
  new Intl.ListFormat("en").format(names.map(fieldInWords));

/** A change, as in `Complete “Flour”`. */
export function inPhrase({ operation, input, seen }: Entry, { tasks: all, lists }: Things): string {
  const of = (id: unknown) => {
    const key = String(id);
    return quoted(all.get(key)?.title ?? lists.get(key)?.name ?? seen?.title ?? "a task");
  };
  const place = (listId: unknown) => (listId === null ? "the inbox" : of(listId));
  const ids = those(input, "ids");
  const these = ids.length === 1 ? of(ids[0]) : tasks(ids.length);
  switch (operation) {
    case "createTask":
      return `Add ${quoted(input.title)}`;
    case "createTasks":
      return `Add ${tasks(those(input, "tasks").length)}`;
    case "updateTask":
      return updateInPhrase(input, seen?.title ? quoted(seen.title) : of(input.id), place);
    case "updateTasks":
      return updateInPhrase(input, these, place);
    case "moveTask":
      if (input.parentId) return `Make ${of(input.id)} a subtask of ${of(input.parentId)}`;
      if ("listId" in input) return `Move ${of(input.id)} to ${place(input.listId)}`;
      return `Move ${of(input.id)} up or down`;
    case "deleteTask":
      return `Delete ${of(input.id)}`;
    case "deleteTasks":
      return `Delete ${these}`;
    case "restoreTask":
      return `Restore ${of(input.id)}`;
    case "restoreTasks":
      return `Restore ${these}`;
    case "purgeTasks":
      return `Delete ${these} for good`;
    case "emptyTrash":
      return "Empty the trash";
    case "createList":
      return `Add the list ${quoted(input.name)}`;
    case "updateList":
      return `Rename a list to ${quoted(input.name)}`;
    case "moveList":
      return `Move the list ${of(input.id)}`;
    case "deleteList":
      return `Delete the list ${of(input.id)}`;
    case "restoreList":
      return `Restore the list ${of(input.id)}`;
    case "renameLabel":
      return `Rename the label ${quoted(input.from)} to ${quoted(input.to)}`;
    case "undo":
      return "Take a change back";
    default:
      return "A change that a newer version of this app has made";
  }
}

/** What an input says besides which tasks it is about. */
const BESIDE = new Set(["id", "ids", "today", "expectedVersion"]);

function updateInPhrase(input: Input, which: string, place: (id: unknown) => string): string {
  const names = Object.keys(input).filter((name) => !BESIDE.has(name));
  if ("completed" in input) return `${input.completed ? "Complete" : "Reopen"} ${which}`;
  if (names.length === 1 && "listId" in input) return `Move ${which} to ${place(input.listId)}`;
  if (names.length === 1 && "title" in input) return `Rename ${which} to ${quoted(input.title)}`;
  if (names.some((name) => name.endsWith("Labels"))) return `Change labels of ${which}`;
  return `Change ${fieldsInWords(names)} of ${which}`;
}

const PLURAL = new Set(["description", "labels"]);

/** Why a change could not be done, for people. */
export function reasonOf({ code, message, issues, entry, fields }: Refused): string {
  if (code === "VersionConflict" || code === "ListVersionConflict") {
    const isMany = fields && (fields.length > 1 || PLURAL.has(fields[0]!));
    const what = fields?.length ? `Its ${fieldsInWords(fields)}` : "It";
    return `${what} ${isMany ? "were" : "was"} changed elsewhere in the meantime.`;
  }
  if (code === "TaskNotFound") return "The task was deleted elsewhere.";
  if (code === "ListNotFound") return "The list was deleted elsewhere.";
  if (code === "UndoConflict") return "It was changed again since, so it cannot be taken back.";
  if (entry.operation === "undo" && code === "ActionNotFound") {
    return "It is too long ago to be taken back.";
  }
  return issues?.[0]?.message ?? message;
}

const ago = new Intl.RelativeTimeFormat("en", { numeric: "auto" });

/** How long ago, as in `3 minutes ago`; `at` and `now` are milliseconds. */
export function since(at: number, now = Date.now()): string {
  const minutes = Math.round((now - at) / 60_000);
  if (minutes < 1) return "just now";
  if (minutes < 60) return ago.format(-minutes, "minute");
  if (minutes < 36 * 60) return ago.format(-Math.round(minutes / 60), "hour");
  return ago.format(-Math.round(minutes / 1440), "day");
}
