/**
 * What is shown of what is seen: pure, each computed once for the same things.
 *
 * What is in the trash is in no view but `trash`. Completed tasks are in `completed`, below their
 * parents, and in searches.
 */

import { labelKey } from "./texts.js";
import { byPosition, compareIds, type Task, type TaskList, type Thing, type Things } from "./things.js";

export interface Day {
  /** `YYYY-MM-DD`. */
  day: string;
  tasks: Task[];
}

/** Pending tasks in no list, by hand. */
export const inbox = (things: Things): Task[] => tasksOfList(things, "");

/** Pending tasks right in a list, by hand; of the inbox with "". */
export function tasksOfList(things: Things, listId: string): Task[] {
  return pendingByList(things).get(listId) ?? [];
}

const pendingByList = once((things) => {
  const top = pending(things).filter(({ parentId }) => parentId === null);
  return grouped(top, ({ listId }) => listId ?? "", byPosition);
});

/** What is due on a day, and apart from it what was due before, by time and then by hand. */
export function today(things: Things, day: string): { overdue: Task[]; today: Task[] } {
  const due = byDue(things);
  return {
    overdue: due.filter(({ dueOn }) => dueOn! < day),
    today: due.filter(({ dueOn }) => dueOn === day),
  };
}

/** What is due on the days after a day, each of them also where nothing is, and what is due later. */
export function upcoming(things: Things, day: string, count = 14): { days: Day[]; later: Task[] } {
  const byDay = grouped(byDue(things), ({ dueOn }) => dueOn!);
  const days = Array.from({ length: count }, (_, n) => daysAfter(day, n + 1));
  return {
    days: days.map((each) => ({ day: each, tasks: byDay.get(each) ?? [] })),
    later: byDue(things).filter(({ dueOn }) => dueOn! > (days.at(-1) ?? day)),
  };
}

/** Pending tasks with a date, in the server's order DUE: whole days after the times of the day. */
const byDue = once((things) => {
  const due = pending(things).filter(({ dueOn }) => dueOn !== null);
  return due.sort((a, b) => compare(dueAt(a), dueAt(b)) || byPosition(a, b));
});

/** Whether it is late: at its time of a day, or when the day is over. */
export function isOverdue(task: Task, day: string, time = "00:00"): boolean {
  return !task.completed && task.dueOn !== null && dueAt(task) < `${day} ${time}`;
}

/** Completed tasks, the latest first. */
export const completed = once((things) => {
  const done = live(things).filter((task) => task.completed);
  return done.sort((a, b) => compare(b.completedAt!, a.completedAt!) || compareIds(b.id, a.id));
});

/** What is in the trash, the latest first. What went there with its parent or its list is left out. */
export const trash = once((things) => {
  const gone: Thing[] = [...things.lists.values(), ...things.tasks.values()];
  return gone
    .filter((thing) => thing.deletedAt !== null && !wentAlong(things, thing))
    .sort((a, b) => compare(b.deletedAt!, a.deletedAt!) || byPosition(a, b));
});

function wentAlong({ tasks, lists }: Things, thing: Thing): boolean {
  if (thing.kind === "LIST") return false;
  const above = [tasks.get(thing.parentId ?? ""), lists.get(thing.listId ?? "")];
  return above.some((one) => one?.deletedAt === thing.deletedAt);
}

/** Lists in their order by hand. */
export const lists = once((things): TaskList[] =>
  [...things.lists.values()].filter(({ deletedAt }) => deletedAt === null).sort(byPosition),
);

/** Labels in use, by name, each with the number of pending tasks that have it. */
export const labels = once((things): { name: string; count: number }[] => {
  const found = new Map<string, { name: string; count: number }>();
  for (const task of live(things)) {
    for (const name of task.labels) {
      const label = found.get(labelKey(name)) ?? { name, count: 0 };
      if (!task.completed) label.count++;
      found.set(labelKey(name), label);
    }
  }
  return [...found].sort(([a], [b]) => compare(a, b)).map(([, label]) => label);
});

/** Pending tasks with a label, upper and lower case alike: those that are due first, then the newest. */
export function tasksWithLabel(things: Things, label: string): Task[] {
  const key = labelKey(label);
  const found = pending(things).filter((task) => task.labels.some((name) => labelKey(name) === key));
  return found.sort((a, b) => compare(dueAt(a), dueAt(b)) || compareIds(b.id, a.id));
}

/** How many tasks are pending in each list, and in the inbox (""); subtasks are among them. */
export const pendingCounts = once((things): ReadonlyMap<string, number> => {
  const counts = new Map<string, number>();
  for (const { listId } of pending(things)) {
    counts.set(listId ?? "", (counts.get(listId ?? "") ?? 0) + 1);
  }
  return counts;
});

/** The subtasks of a task by hand, completed or not. */
export function subtasks(things: Things, parentId: string): Task[] {
  return byParent(things).get(parentId) ?? [];
}

/** How many subtasks each task has, and how many of them are done. */
export const subtaskCounts = once((things): ReadonlyMap<string, { done: number; total: number }> => {
  const groups = [...byParent(things)];
  return new Map(
    groups.map(([id, group]) => [
      id,
      { done: group.filter((task) => task.completed).length, total: group.length },
    ]),
  );
});

const byParent = once((things) => {
  const below = live(things).filter(({ parentId }) => parentId !== null);
  return grouped(below, ({ parentId }) => parentId!, byPosition);
});

/** All that is not in the trash. */
export const live = once((things) =>
  [...things.tasks.values()].filter(({ deletedAt }) => deletedAt === null),
);

function pending(things: Things): Task[] {
  return live(things).filter((task) => !task.completed);
}

/** Remember what was made of an object for as long as that lives. */
export function once<Result, From extends object = Things>(make: (from: From) => Result) {
  const made = new WeakMap<From, { result: Result }>();
  return (from: From): Result => {
    const known = made.get(from) ?? { result: make(from) };
    made.set(from, known);
    return known.result;
  };
}

function grouped(
  tasks: Task[],
  key: (task: Task) => string,
  order?: (a: Task, b: Task) => number,
): Map<string, Task[]> {
  const groups = new Map<string, Task[]>();
  for (const task of tasks) {
    const group = groups.get(key(task));
    if (group) group.push(task);
    else groups.set(key(task), [task]);
  }
  if (order) for (const group of groups.values()) group.sort(order);
  return groups;
}

function dueAt({ dueOn, dueTime }: Task): string {
  return dueOn === null ? "~" : `${dueOn} ${dueTime ?? "24:00"}`;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function daysAfter(day: string, count: number): string {
  return new Date(Date.parse(day) + count * 86_400_000).toISOString().slice(0, 10);
}
