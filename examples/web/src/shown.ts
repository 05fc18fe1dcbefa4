// What a view shows, in sections and in its order; which tasks these are, the package knows.
import type { search } from "@todo-api/client/searching";
import type { Task, Things } from "@todo-api/client/things";
import * as views from "@todo-api/client/views";
import { besideDay, dayInWords } from "./due";
import type { View } from "./route";

export type Line = { task: Task; isSub: boolean };

export type Section = {
  key: string;
  /** Nothing where the view has but one. */
  title?: string;
  /** What a day's title leaves out of its date. */
  beside?: string;
  /** All of it is due on the day that its title says. */
  isDay?: boolean;
  isLate?: boolean;
  lines: Line[];
};

/** The sections of a view. What `lingers` was completed a moment ago, and is shown for a while yet. */
export function sectionsOf(
  view: View,
  things: Things,
  today: string,
  lingers: ReadonlySet<string>,
  find: typeof search | undefined,
): Section[] {
  const seen = asPending(things, lingers);
  const real = lingers.size === 0 ? (task: Task) => task : ({ id }: Task) => things.tasks.get(id)!;
  const flat = (tasks: readonly Task[]): Line[] =>
    tasks.map((task) => ({ task: real(task), isSub: false }));
  const tree = (listId: string) => linesOf(seen, listId, real);
  switch (view.name) {
    case "inbox":
      return [{ key: "all", lines: tree("") }];
    case "list":
      return [{ key: "all", lines: tree(view.id) }];
    case "label":
      return [{ key: "all", lines: flat(views.tasksWithLabel(seen, view.label)) }];
    case "search": {
      const found = find?.(seen, view.words) ?? [];
      const pending = found.filter(({ completed }) => !completed);
      const completed = found.filter((task) => task.completed);
      const sections: Section[] = [{ key: "all", lines: flat(pending) }];
      if (completed.length)
        sections.push({ key: "completed", title: "Completed", lines: flat(completed) });
      return pending.length ? sections : sections.slice(1);
    }
    case "today": {
      const due = views.today(seen, today);
      const now = { key: "today", isDay: true, lines: flat(due.today) };
      if (due.overdue.length === 0) return [now];
      return [
        { key: "overdue", title: "Overdue", isLate: true, lines: flat(due.overdue) },
        { ...now, title: "Today" },
      ];
    }
    case "upcoming": {
      const { days, later } = views.upcoming(seen, today);
      const sections: Section[] = days.map(({ day, tasks }) => ({
        key: day,
        title: dayInWords(day, today),
        beside: besideDay(day, today),
        isDay: true,
        lines: flat(tasks),
      }));
      if (later.length) sections.push({ key: "later", title: "Later", lines: flat(later) });
      return sections;
    }
    default:
      return [];
  }
}

/** The same things, but some of them as if they were not completed. */
function asPending(things: Things, ids: ReadonlySet<string>): Things {
  if (ids.size === 0) return things;
  const tasks = new Map(things.tasks);
  for (const id of ids) {
    const task = tasks.get(id);
    if (task?.completed) tasks.set(id, { ...task, completed: false });
  }
  return { ...things, tasks };
}

/** Each task of a list with its pending subtasks below it. */
function linesOf(things: Things, listId: string, real: (task: Task) => Task): Line[] {
  const lines: Line[] = [];
  const add = (task: Task, isSub: boolean) => lines.push({ task: real(task), isSub });
  for (const task of views.tasksOfList(things, listId)) {
    add(task, false);
    for (const sub of views.subtasks(things, task.id)) if (!sub.completed) add(sub, true);
  }
  if (lines.length === (views.pendingCounts(things).get(listId) ?? 0)) return lines;
  // Subtasks that were opened again below a parent that is completed.
  const here = new Set(lines.map(({ task }) => task.id));
  for (const task of things.tasks.values()) {
    const isLost =
      !task.completed && !task.deletedAt && (task.listId ?? "") === listId && !here.has(task.id);
    if (isLost) add(task, false);
  }
  return lines;
}

export type Counts = {
  inbox: number;
  /** What is overdue among them. */
  today: number;
  lists: ReadonlyMap<string, number>;
  labels: readonly { name: string; count: number }[];
  subtasks: ReadonlyMap<string, { done: number; total: number }>;
};

/** All that is counted beside the names of places and tasks. */
export function countsOf(things: Things, day: string): Counts {
  let today = 0;
  for (const { dueOn, completed, deletedAt } of things.tasks.values()) {
    if (dueOn && dueOn <= day && !completed && !deletedAt) today++;
  }
  const lists = views.pendingCounts(things);
  return {
    inbox: lists.get("") ?? 0,
    today,
    lists,
    labels: views.labels(things),
    subtasks: views.subtaskCounts(things),
  };
}
