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
  #before: [id: string, thing: Thing | undefined][] = [];
  #base: Things;
  #reach = Infinity;

  constructor(base: Things) {
    this.#base = base;
    this.tasks = new Map(base.tasks);
    this.lists = new Map(base.lists);
  }

  /**
   * Do an act as a whole, or not at all.
   *
   * @param reach Things that are kept in this version or a later one have it in them already.
   */
  act(reach: number, act: () => void): void {
    this.#reach = reach;
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
  members(container: string): Task[] {
    this.#members ??= this.#grouped();
    return [...(this.#members.get(container) ?? [])].map((id) => this.tasks.get(id)!);
  }

  #grouped(): Map<string, Set<string>> {
    const groups = new Map<string, Set<string>>();
    for (const task of this.tasks.values()) add(groups, task);
    return groups;
  }

  #change(id: string, thing: Thing | undefined): void {
    const kept = this.#base.tasks.get(id) ?? this.#base.lists.get(id);
    if (kept && kept.version >= this.#reach) return;
    this.#before.push([id, this.tasks.get(id) ?? this.lists.get(id)]);
    this.#write(id, thing);
  }

  #write(id: string, thing: Thing | undefined): void {
    if (id.startsWith("L")) return replace(this.lists, id, thing as TaskList | undefined);
    const old = this.tasks.get(id);
    if (old) this.#members?.get(containerOf(old))?.delete(id);
    replace(this.tasks, id, thing as Task | undefined);
    if (thing && this.#members) add(this.#members, thing as Task);
  }
}

/** The neighbours of a place among siblings, in one pass: there may be thousands. */
export function neighbours(
  siblings: Iterable<Thing>,
  place: { before?: string; after?: string; first?: boolean; last?: boolean },
  moved: string,
): [low: Thing | undefined, high: Thing | undefined] {
  const others = [...siblings].filter(({ id, deletedAt }) => id !== moved && deletedAt === null);
  const beside = place.before ?? place.after;
  const mark = beside ? others.find(({ id }) => id === beside) : undefined;
  if (beside && !mark) throw new Refusal("there is no such place");
  if (place.before) return [last(others, mark), mark];
  if (place.after) return [mark, first(others, mark)];
  return place.first ? [undefined, first(others)] : [last(others), undefined];
}

/** The first of them, or the first behind one. */
function first(things: Thing[], behind?: Thing): Thing | undefined {
  const some = behind ? things.filter((thing) => byPosition(thing, behind) > 0) : things;
  return least(some, byPosition);
}

function last(things: Thing[], before?: Thing): Thing | undefined {
  const some = before ? things.filter((thing) => byPosition(thing, before) < 0) : things;
  return least(some, (a, b) => byPosition(b, a));
}

function least<T>(some: T[], compare: (a: T, b: T) => number): T | undefined {
  return some.length ? some.reduce((a, b) => (compare(a, b) <= 0 ? a : b)) : undefined;
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
