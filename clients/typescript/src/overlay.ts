/**
 * What is seen: what is kept, with each act that is not answered yet applied as the server would.
 *
 * An act that the server would refuse has no effect. Two things only the server knows: the task that
 * follows one that recurs, and what an `undo` takes back; both are seen once it has answered.
 */

import { containerOf, Draft, neighbours, type Place, Refusal } from "./draft.js";
import { labelKey, oneLabel, oneLine } from "./texts.js";
import type { Entry, Operation } from "./acts.js";
import { between, positionOf } from "./positions.js";
import type { Recurrence, Task, TaskList, Thing, Things } from "./things.js";
import { thingsIn } from "./things.js";

/** An act. */
export type Layer = Pick<Entry, "operation" | "input" | "at" | "seq">;

/** Apply acts to things; a list of acts can as well be applied in parts, one after the other. */
export function overlay(things: Things, layers: readonly Layer[]): Things {
  if (layers.length === 0) return things;
  const draft = new Draft(things);
  for (const layer of layers) {
    const act = new Act(draft, layer);
    draft.act(() => ACTS[layer.operation]?.(act, layer.input));
  }
  return { tasks: draft.tasks, lists: draft.lists };
}

/** What of a final answer is to be kept, and the ids of what is gone for good. */
export interface Settled {
  put: Thing[];
  gone: string[];
  /** The number of its last change that is known: the feed tells the rest of it from there on. */
  version: number | undefined;
}

/**
 * @param outcome What the mutation's field holds, `__typename` included; null where it failed.
 * @param kept What is kept of the thing that it has deleted.
 */
export function settled(entry: Layer, outcome: any, kept?: Thing): Settled {
  const put = thingsIn(outcome);
  if ((outcome?.deletedTaskId ?? outcome?.deletedListId) && kept) {
    // The answer has its number alone; that it is in the trash is all that is new.
    put.push({ ...kept, deletedAt: instantOf(entry), version: outcome.version });
  }
  const version = Math.max(outcome?.version ?? 0, ...put.map(({ version }) => version));
  return { put, gone: outcome?.purgedTaskIds ?? [], version: version || undefined };
}

/** Unlike that of any other act, as on the server: what happened together comes back together. */
export function instantOf({ at, seq }: Layer): string {
  return `${new Date(at).toISOString().slice(0, -1)}${String(seq % 1000).padStart(3, "0")}Z`;
}

type Input = Record<string, any>;

const ACTS: Record<Operation, (act: Act, input: any) => void> = {
  createTask: (act, input) => act.create(input),
  createTasks: (act, { tasks }) => tasks.forEach((task: Input) => act.create(task)),
  updateTask: (act, input) => act.update(act.task(input.id), input),
  updateTasks: (act, input) => act.eachOf(input.ids, (task) => act.update(task, input)),
  moveTask: (act, input) => act.move(act.task(input.id), input),
  deleteTask: (act, { id }) => act.remove(act.task(id)),
  deleteTasks: (act, { ids }) => act.eachOf(ids, (task) => act.remove(task)),
  restoreTask: (act, { id }) => act.restoreIds([id]),
  restoreTasks: (act, { ids }) => act.restoreIds(ids),
  purgeTasks: (act, { ids }) => act.purge(ids),
  emptyTrash: (act) => act.purge([...act.draft.tasks.keys()]),
  createList: (act, input) => act.createList(input),
  updateList: (act, input) => act.updateList(act.list(input.id), input),
  moveList: (act, input) => act.moveList(act.list(input.id), input.place),
  deleteList: (act, { id }) => act.removeList(act.list(id)),
  restoreList: (act, { id }) => act.restoreList(id),
  renameLabel: (act, { from, to }) => act.renameLabel(from, oneLabel(to)),
  undo: () => {},
};

/** One act: what it does, and the instant that all it changes bears. */
class Act {
  readonly at: string;

  constructor(
    readonly draft: Draft,
    layer: Layer,
  ) {
    this.at = instantOf(layer);
  }

  task(id: string): Task {
    return this.draft.task(id) ?? refuse("there is no such task");
  }

  list(id: string): TaskList {
    return this.draft.list(id) ?? refuse("there is no such list");
  }

  /** Do the same to those of the tasks that are there. Parents go first: subtasks follow them. */
  eachOf(ids: string[], change: (task: Task) => void): void {
    const found = ids.map((id) => this.draft.task(id)).filter((task) => task !== undefined);
    const parents = found.filter(({ parentId }) => parentId === null);
    const subtasks = found.filter(({ parentId }) => parentId !== null);
    for (const { id } of [...parents, ...subtasks]) {
      const task = this.draft.task(id);
      if (task) change(task);
    }
  }

  create(input: Input): void {
    if (!input.id || this.draft.tasks.has(input.id)) refuse("the id is taken");
    const parent = input.parentId ? this.task(input.parentId) : undefined;
    const listId = parent ? parent.listId : (input.listId ?? null);
    if (listId !== null) this.list(listId);
    const task: Task = {
      kind: "TASK",
      id: input.id,
      version: 0,
      title: oneLine(input.title),
      description: textOf(input.description),
      completed: input.completed ?? false,
      completedAt: input.completed ? this.at : null,
      completedOn: input.completed ? (input.today ?? null) : null,
      createdAt: this.at,
      updatedAt: this.at,
      deletedAt: null,
      dueOn: input.dueOn ?? null,
      dueTime: input.dueTime?.slice(0, 5) ?? null,
      priority: input.priority ?? "NONE",
      labels: this.#spelled(input.labels ?? []),
      position: positionOf(input.id),
      listId,
      parentId: parent?.id ?? null,
      recurrence: recurrenceOf(input.recurrence, input.dueOn),
    };
    if (parent?.parentId || (parent && this.#countLive(parent.id) >= 100)) {
      refuse("it cannot be below that");
    }
    if (input.place) task.position = this.#place(task, input.place);
    this.draft.put(task);
  }

  update(task: Task, input: Input): void {
    const fields: Partial<Task> = {};
    if (input.title != null) fields.title = oneLine(input.title);
    if (input.description !== undefined) fields.description = textOf(input.description);
    if (input.dueOn !== undefined) fields.dueOn = input.dueOn;
    if (input.dueTime !== undefined) fields.dueTime = input.dueTime?.slice(0, 5) ?? null;
    if (input.dueOn === null) fields.dueTime = null;
    if (input.priority != null) fields.priority = input.priority;
    if (input.recurrence !== undefined) {
      fields.recurrence = recurrenceOf(input.recurrence, fields.dueOn ?? task.dueOn);
    }
    const labels = this.#labelsOf(task, input);
    if (labels) fields.labels = labels;
    const changed = this.#change(task, fields);
    if (changed.dueTime && !changed.dueOn) refuse("a time needs a day");
    if (changed.recurrence && !changed.dueOn) refuse("a recurring task needs a day");
    if (input.listId !== undefined) this.move(changed, { listId: input.listId });
    if (input.completed != null) this.#complete(this.task(task.id), input);
  }

  move(task: Task, input: Input): void {
    const parentId: string | null = input.parentId === undefined ? task.parentId : input.parentId;
    const parent = parentId ? this.task(parentId) : undefined;
    const asked = input.listId === undefined ? task.listId : input.listId;
    const listId: string | null = parent ? parent.listId : asked;
    if (input.listId !== undefined && input.listId !== listId) refuse("it is in its parent's list");
    if (listId !== null && listId !== task.listId) this.list(listId);
    if (parentId && parentId !== task.parentId) this.#checkParent(task, parent!);
    const there = { ...task, parentId, listId };
    const place = isBesideItself(input.place, task.id) ? undefined : input.place;
    const isElsewhere = containerOf(there) !== containerOf(task);
    const elsewhere = isElsewhere ? this.#bottom() : task.position;
    const position = place ? this.#place(there, place) : elsewhere;
    this.#change(task, { parentId, listId, position });
    if (listId === task.listId) return;
    for (const subtask of this.draft.members(task.id)) this.#change(subtask, { listId });
  }

  remove(task: Task): void {
    this.#change(task, { deletedAt: this.at });
    for (const subtask of this.draft.members(task.id)) {
      if (subtask.deletedAt === null) this.#change(subtask, { deletedAt: this.at });
    }
  }

  /** Parents go first: what is below one of them stays there. */
  restoreIds(ids: string[]): void {
    const found = ids.map((id) => this.draft.tasks.get(id)).filter((task) => task !== undefined);
    for (const task of found.filter(({ parentId }) => parentId === null)) this.#restore(task.id);
    for (const task of found.filter(({ parentId }) => parentId !== null)) this.#restore(task.id);
  }

  purge(ids: string[]): void {
    for (const id of ids) {
      if (this.draft.tasks.get(id)?.deletedAt) this.draft.remove(id);
    }
  }

  createList(input: Input): void {
    if (!input.id || this.draft.lists.has(input.id)) refuse("the id is taken");
    const list: TaskList = {
      kind: "LIST",
      id: input.id,
      version: 0,
      name: oneLine(input.name),
      position: positionOf(input.id),
      createdAt: this.at,
      updatedAt: this.at,
      deletedAt: null,
    };
    this.draft.put(list);
    if (input.place) this.moveList(list, input.place);
  }

  updateList(list: TaskList, { name }: Input): void {
    if (name != null) this.draft.put({ ...list, name: oneLine(name), updatedAt: this.at });
  }

  moveList(list: TaskList, place: Place): void {
    if (isBesideItself(place, list.id)) return;
    const beside = this.#beside(place, this.draft.lists);
    const position = between(neighbours(this.draft.lists.values(), place, beside, list.id));
    this.draft.put({ ...list, position, updatedAt: this.at });
  }

  removeList(list: TaskList): void {
    this.draft.put({ ...list, deletedAt: this.at, updatedAt: this.at });
    for (const task of this.draft.members(list.id)) {
      if (task.deletedAt === null) this.remove(task);
    }
  }

  restoreList(id: string): void {
    const list = this.draft.lists.get(id);
    if (!list?.deletedAt) return;
    this.draft.put({ ...list, deletedAt: null, updatedAt: this.at });
    for (const task of this.draft.members(id)) {
      if (task.deletedAt === list.deletedAt) this.#restore(task.id);
    }
  }

  renameLabel(from: string, to: string): void {
    const keys = [labelKey(oneLabel(from)), labelKey(to)];
    for (const task of this.draft.tasks.values()) {
      if (task.deletedAt !== null || !task.labels.length) continue;
      const labels = task.labels.map((label) => (keys.includes(labelKey(label)) ? to : label));
      this.#change(task, { labels: distinct(labels) });
    }
  }

  #restore(id: string): void {
    const task = this.draft.tasks.get(id)!;
    if (!task.deletedAt) return;
    const parent = this.draft.task(task.parentId);
    const isFull = parent && this.#countLive(parent.id) >= 100;
    const parentId = parent && !isFull ? parent.id : null;
    const listId = this.draft.list(parentId ? parent!.listId : task.listId)?.id ?? null;
    const there = { ...task, parentId, listId };
    const isElsewhere = containerOf(there) !== containerOf(task);
    const position = isElsewhere ? this.#bottom() : task.position;
    this.#change(task, { deletedAt: null, parentId, listId, position });
    for (const subtask of this.draft.members(id)) {
      if (subtask.deletedAt === task.deletedAt) this.#restore(subtask.id);
    }
  }

  /** What is completed together bears the same instant, and is reopened together. */
  #complete(task: Task, { completed, today = null }: Input): void {
    if (task.completed === completed) return;
    const fields = completed
      ? { completed, completedAt: this.at, completedOn: today }
      : { completed, completedAt: null, completedOn: null };
    this.#change(task, fields);
    for (const subtask of this.draft.members(task.id)) {
      const follows = completed ? !subtask.completed : subtask.completedAt === task.completedAt;
      if (follows && subtask.deletedAt === null) this.#change(subtask, fields);
    }
  }

  #countLive(parentId: string): number {
    let count = 0;
    for (const { deletedAt } of this.draft.members(parentId)) if (deletedAt === null) count++;
    return count;
  }

  #checkParent(task: Task, parent: Task): void {
    const isFit = parent.parentId === null && parent.id !== task.id && task.recurrence === null;
    const hasSubtasks = !this.draft.members(task.id).next().done;
    if (!isFit || hasSubtasks || this.#countLive(parent.id) >= 100) refuse("it cannot be below that");
  }

  /** Behind all that was made or moved before, in whatever list. */
  #bottom(): string {
    let last: Task | undefined;
    for (const task of this.draft.tasks.values()) {
      if (!last || task.position > last.position) last = task;
    }
    return between([last, undefined]);
  }

  #place(task: Task, place: Place): string {
    const beside = this.#beside(place, this.draft.tasks);
    if (beside && containerOf(beside) !== containerOf(task)) refuse("there is no such place");
    return between(neighbours(this.draft.members(containerOf(task)), place, beside, task.id));
  }

  /** The sibling that a place is beside of, if any. */
  #beside<T extends Thing>({ before, after }: Place, siblings: Map<string, T>): T | undefined {
    const id = before ?? after;
    const sibling = id ? siblings.get(id) : undefined;
    if (id && sibling?.deletedAt !== null) refuse("there is no such place");
    return sibling;
  }

  #labelsOf(task: Task, input: Input): string[] | undefined {
    if (input.labels) return this.#spelled(input.labels);
    const { addLabels, removeLabels } = input;
    if (!addLabels?.length && !removeLabels?.length) return undefined;
    const removed = new Set((removeLabels ?? []).map((label: string) => labelKey(oneLabel(label))));
    const left = task.labels.filter((label) => !removed.has(labelKey(label)));
    return this.#spelled([...left, ...(addLabels ?? [])]);
  }

  /** Labels as other tasks spell them, each once. */
  #spelled(labels: string[]): string[] {
    if (labels.length === 0) return [];
    const spellings = new Map<string, string>();
    for (const task of this.draft.tasks.values()) {
      if (task.deletedAt !== null) continue;
      for (const label of task.labels) spellings.set(labelKey(label), label);
    }
    const given = distinct(labels.map(oneLabel));
    if (given.length > 20) refuse("a task has too many labels");
    return given.map((label) => spellings.get(labelKey(label)) ?? label);
  }

  /** Change fields of a task; what leaves it as it was is no change. */
  #change(task: Task, fields: Partial<Task>): Task {
    const names = Object.keys(fields) as (keyof Task)[];
    if (names.every((name) => isSame(task[name], fields[name]))) return task;
    const changed = { ...task, ...fields, updatedAt: this.at };
    this.draft.put(changed);
    return changed;
  }
}

function refuse(why: string): never {
  throw new Refusal(why);
}

function isBesideItself(place: Place | null | undefined, id: string): boolean {
  return (place?.before ?? place?.after) === id;
}

function textOf(description: string | null | undefined): string | null {
  return description && /\S/.test(description) ? description : null;
}

function distinct(labels: string[]): string[] {
  const first = new Map<string, string>();
  for (const label of labels) if (!first.has(labelKey(label))) first.set(labelKey(label), label);
  return [...first.values()];
}

function isSame(a: unknown, b: unknown): boolean {
  return a === b || (typeof a === "object" && JSON.stringify(a) === JSON.stringify(b));
}

/** A rule as it will be; of one that is given as text, no more than is read at a glance. */
function recurrenceOf(input: Input | null | undefined, start: string | null): Recurrence | null {
  if (!input || !start) return null;
  const rule = input.rule ?? {
    unit: ["DAY", "WEEK", "MONTH", "YEAR"].find((unit) =>
      input.rrule.toUpperCase().includes(unit === "DAY" ? "=DAILY" : `=${unit}LY`),
    ),
    every: Number(/INTERVAL=(\d+)/i.exec(input.rrule)?.[1] ?? 1),
  };
  return {
    unit: rule.unit,
    every: rule.every ?? 1,
    weekdays: rule.weekdays ?? [],
    ordinal: rule.ordinal ?? null,
    monthDay: rule.monthDay ?? null,
    month: rule.month ?? null,
    from: rule.from ?? "DUE",
    start,
    until: rule.until ?? null,
    remaining: rule.remaining ?? null,
    rrule: input.rrule ?? null,
  };
}
