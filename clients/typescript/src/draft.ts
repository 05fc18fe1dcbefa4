import { byPosition, type Task, type TaskList, type Thing, type Things } from "./things.js";

/** Why an act has no effect: the server would refuse it. */
export class Refusal extends Error {}

/** Where a task stands among its siblings: below its parent, in its list, or in the inbox. */
export function containerOf({ parentId, listId }: Pick<Task, "parentId" | "listId">): string {
  return parentId ?? listId ?? "";
}

/** Things that are being changed by one act after the other; what it was made of stays as it is. */
export class Draft {
  readonly tasks: Map<string, Task>;
  readonly lists: Map<string, TaskList>;
  #members: Map<string, Set<string>> | undefined;
  #looks = 0;
  #before: [id: string, thing: Thing | undefined][] = [];

  constructor(base: Things) {
    this.tasks = new Map(base.tasks);
    this.lists = new Map(base.lists);
  }

  /** Do an act as a whole, or not at all. */
  act(act: () => void): void {
    this.#before = [];
    try {
      act();
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      for (const [id, thing] of this.#before.reverse()) this.#write(id, thing);
    }
  }

  put(thing: Thing): void {
    this.#change(thing.id, thing);
  }

  remove(id: string): void {
    this.#change(id, undefined);
  }

  /** The task, if it is there and not in the trash. */
  task(id: string | null | undefined): Task | undefined {
    const task = id ? this.tasks.get(id) : undefined;
    return task?.deletedAt === null ? task : undefined;
  }

  list(id: string | null | undefined): TaskList | undefined {
    const list = id ? this.lists.get(id) : undefined;
    return list?.deletedAt === null ? list : undefined;
  }

  /** The tasks right below a parent, right in a list, or in the inbox (""), in the trash or not. */
  *members(container: string): Generator<Task> {
    // To look at all is soon done; for many acts it is worth to know who is where.
    if (this.#looks++ > 5) this.#members ??= this.#grouped();
    if (!this.#members) {
      for (const task of this.tasks.values()) if (containerOf(task) === container) yield task;
      return;
    }
    for (const id of this.#members.get(container) ?? []) yield this.tasks.get(id)!;
  }

  #grouped(): Map<string, Set<string>> {
    const groups = new Map<string, Set<string>>();
    for (const task of this.tasks.values()) add(groups, task);
    return groups;
  }

  #change(id: string, thing: Thing | undefined): void {
    this.#before.push([id, this.tasks.get(id) ?? this.lists.get(id)]);
    this.#write(id, thing);
  }

  #write(id: string, thing: Thing | undefined): void {
    if (id.startsWith("L")) return replace(this.lists, id, thing as TaskList | undefined);
    const old = this.tasks.get(id);
    const task = thing as Task | undefined;
    replace(this.tasks, id, task);
    // Who is asked for members may go on to change them.
    if (!this.#members || (old && task && containerOf(old) === containerOf(task))) return;
    if (old) this.#members.get(containerOf(old))?.delete(id);
    if (task) add(this.#members, task);
  }
}

export interface Place {
  before?: string;
  after?: string;
  first?: boolean;
  last?: boolean;
}

/** The neighbours of a place among siblings, in one pass: there may be thousands. */
export function neighbours<T extends Thing>(
  siblings: Iterable<T>,
  place: Place,
  beside: T | undefined,
  moved: string,
): [low: T | undefined, high: T | undefined] {
  const isBefore = (thing: T) => {
    if (!beside) return !place.first;
    return byPosition(thing, beside) < (place.after ? 1 : 0);
  };
  let low: T | undefined;
  let high: T | undefined;
  for (const thing of siblings) {
    if (thing.id === moved || thing.deletedAt !== null) continue;
    if (isBefore(thing)) {
      if (!low || byPosition(thing, low) > 0) low = thing;
    } else if (!high || byPosition(thing, high) < 0) high = thing;
  }
  return [low, high];
}

function add(groups: Map<string, Set<string>>, task: Task): void {
  const container = containerOf(task);
  const group = groups.get(container);
  if (group) group.add(task.id);
  else groups.set(container, new Set([task.id]));
}

function replace<T>(map: Map<string, T>, id: string, thing: T | undefined): void {
  if (thing) map.set(id, thing);
  else map.delete(id);
}
