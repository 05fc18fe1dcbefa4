/**
 * A copy of all that a person has: what is kept on the device, and over it what waits in the queue.
 *
 * Each window holds all of it in memory. The one that leads keeps what the feed and the answers say,
 * and tells the others.
 */

import type { Change, Page } from "./follow.js";
import type { Entry } from "./acts.js";
import { instantOf, overlay, type Layer } from "./overlay.js";
import type { Store } from "./store.js";
import { NOTHING, type Task, type TaskList, type Thing, thingOf, type Things } from "./things.js";

/** Milliseconds within which the feed tells all that followed from an act, once it has told of that. */
const RIGHT_BEHIND = 1_000;

/** Milliseconds after which a guess of what followed is given up in any case. */
const AT_LAST = 10_000;

export interface ReplicaState {
  /** Whether all that the person has is here. */
  isFilled: boolean;
  /** Whether changes come as they are made. */
  isLive: boolean;
  isOnline: boolean;
  cursor: string | null;
}

export interface Replica {
  /** What is seen: another object when anything has changed. */
  things(): Things;
  state(): ReplicaState;
  subscribe(listener: () => void): () => void;
}

/** How far the feed has told of changes, as it is kept: up to this version, and all before it. */
type Progress = Pick<ReplicaState, "cursor" | "isFilled"> & { version: number };

/** What has changed of what is kept, as windows tell each other. */
export interface News {
  put?: Thing[];
  gone?: string[];
  /** Whether `put` is all there is. */
  isWhole?: boolean;
  /** The greatest version that the feed has told of. */
  version?: number;
  /** What followed from an act that is answered, as it is seen until the feed tells of it. */
  followed?: Thing[];
  /** The version of that answer. */
  reach?: number | undefined;
  state?: Partial<ReplicaState>;
}

export interface ReplicaOptions {
  store: Store;
  /** What waits in the queue. */
  entries(): readonly Entry[];
  /** Tells the other windows. */
  tell(news: News): void;
}

/** The replica as the device runs it. */
export class KeptReplica implements Replica {
  #options: ReplicaOptions;
  #kept: Things = NOTHING;
  #state: ReplicaState = { isFilled: false, isLive: false, isOnline: false, cursor: null };
  /** The greatest version that the feed has told of. */
  #version = 0;
  /** What is kept, and over it what followed from acts that are answered: subtasks are in no answer. */
  #base: Things = NOTHING;
  #followed = new Map<string, { thing: Thing; reach: number }>();
  #seen: { base: Things; layers: readonly Layer[]; things: Things } | undefined;
  /** The whole set, while it is read anew. */
  #incoming: Map<string, Thing> | undefined;
  #listeners = new Set<() => void>();

  constructor(options: ReplicaOptions) {
    this.#options = options;
  }

  things(): Things {
    const layers = this.#options.entries();
    const seen = this.#seen?.base === this.#base ? this.#seen : undefined;
    const isMore = seen?.layers.every((layer, n) => isSame(layer, layers[n])) ?? false;
    if (isMore && layers.length === seen!.layers.length) return seen!.things;
    // A further act is shown on what was seen: with thousands of tasks that counts.
    const things = isMore
      ? overlay(seen!.things, layers.slice(seen!.layers.length))
      : overlay(this.#base, layers);
    this.#seen = { base: this.#base, layers, things };
    return things;
  }

  state(): ReplicaState {
    return this.#state;
  }

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Tell that the queue is another. */
  changed = (): void => {
    for (const listener of this.#listeners) listener();
  };

  /** Read what is kept. */
  async load(): Promise<void> {
    const [things, row] = await this.#options.store.read(["things", "values"], (transaction) =>
      Promise.all([transaction.all("things"), transaction.get("values", "cursor")]),
    );
    const { version = versionOf(things), ...state } = (row?.value as Partial<Progress>) ?? {};
    this.take({ put: things, isWhole: true, version, state });
  }

  /** Take in what has changed: what another window tells, or what was kept just now. */
  take({ put = [], gone = [], isWhole, version = 0, followed = [], reach, state }: News): void {
    if (put.length || gone.length || isWhole) this.#kept = merged(this.#kept, put, gone, isWhole);
    this.#version = isWhole ? version : Math.max(this.#version, version);
    const until = reach ?? this.#version + 1;
    for (const thing of followed) this.#followed.set(thing.id, { thing, reach: until });
    for (const [id, { thing }] of this.#followed) {
      // The feed has told of it, one way or the other.
      if (this.#find(id)?.version !== thing.version) this.#followed.delete(id);
    }
    if (followed.length) later(AT_LAST, () => this.#letGo(until));
    if (this.#followed.size) {
      const told = this.#version;
      later(RIGHT_BEHIND, () => this.#letGo(told));
    }
    if (state) this.#state = { ...this.#state, ...state };
    this.#rebase();
  }

  #rebase(): void {
    const followed = [...this.#followed.values()].map(({ thing }) => thing);
    this.#base = followed.length ? merged(this.#kept, followed, []) : this.#kept;
    this.changed();
  }

  /** See no longer what was guessed to follow from answers up to a version. */
  #letGo(version: number): void {
    const before = this.#followed.size;
    for (const [id, { reach }] of this.#followed) if (reach <= version) this.#followed.delete(id);
    if (this.#followed.size !== before) this.#rebase();
  }

  /** Take in, and tell the other windows. */
  publish(news: News): void {
    this.take(news);
    this.#options.tell(news);
  }

  /** Take in what the outbox has kept of an answer, and see what follows until the feed tells of it. */
  answered(put: Thing[], gone: string[], entry?: Entry, version?: number): void {
    const after = entry ? overlay(this.#base, [entry]) : this.#base;
    const told = new Set<unknown>([...put.map(({ id }) => id), ...gone, ...(entry ? namedBy(entry) : [])]);
    const followed = differing(this.#base, after)
      .filter(({ id }) => !told.has(id))
      .map((thing) => dated(thing, put, entry!));
    this.publish({ put, gone, followed, reach: version });
    if (entry?.operation === "emptyTrash") void this.#emptyTrash();
  }

  /** Keep a page of the feed, with its cursor. */
  async page({ changes, cursor, isReset, isLast }: Page): Promise<void> {
    // What answers have told before the first page may be gone again: no page would tell of that.
    if (isReset && !this.#isEmpty()) this.#incoming = new Map();
    if (this.#incoming) return this.#reset(this.#incoming, changes, cursor, isLast);
    const state = { cursor, isFilled: this.#state.isFilled || isLast };
    const version = Math.max(this.#version, versionOf(changes));
    const { store } = this.#options;
    const put = await store.change(["things", "values"], async (transaction) => {
      const kept = await Promise.all(changes.map(({ id }) => transaction.get("things", id)));
      const put = this.#newest(changes, kept);
      await Promise.all(put.map((thing) => transaction.put("things", thing)));
      await transaction.put("values", { name: "cursor", value: { ...state, version } });
      return put;
    });
    this.publish({ put, version, state });
  }

  /** Replace what is kept of the trash by what the server has there. */
  async replaceTrash(trash: Thing[]): Promise<void> {
    const ids = new Set(trash.map(({ id }) => id));
    const kept: Thing[] = [...this.#kept.tasks.values(), ...this.#kept.lists.values()];
    const gone = kept.filter(
      // What went there meanwhile is not in an answer from before.
      ({ id, deletedAt, version }) => deletedAt && !ids.has(id) && version <= this.#version,
    );
    await this.#keep(trash, gone.map(({ id }) => id));
  }

  async #emptyTrash(): Promise<void> {
    const kept: Thing[] = [...this.#kept.tasks.values(), ...this.#kept.lists.values()];
    await this.#keep([], kept.filter(({ deletedAt }) => deletedAt).map(({ id }) => id));
  }

  async #keep(put: Thing[], gone: string[]): Promise<void> {
    await this.#options.store.change(["things"], async (transaction) => {
      for (const thing of put) {
        const kept = await transaction.get("things", thing.id);
        if (!kept || kept.version <= thing.version) await transaction.put("things", thing);
      }
      for (const id of gone) await transaction.delete("things", id);
    });
    this.publish({ put, gone });
  }

  /** The whole set is gathered beside what is seen, and takes its place at its end. */
  async #reset(
    incoming: Map<string, Thing>,
    changes: Change[],
    cursor: string,
    isLast: boolean,
  ): Promise<void> {
    for (const { id, node } of changes) {
      const thing = thingOf(node);
      if (thing) incoming.set(id, thing);
      else incoming.delete(id);
    }
    if (!isLast) return;
    const [put, state] = [[...incoming.values()], { cursor, isFilled: true }];
    const version = versionOf([...put, ...changes]);
    await this.#options.store.change(["things", "values"], async (transaction) => {
      await transaction.clear("things");
      await Promise.all(put.map((thing) => transaction.put("things", thing)));
      await transaction.put("values", { name: "cursor", value: { ...state, version } });
    });
    this.#incoming = undefined;
    this.publish({ put, isWhole: true, version, state });
  }

  /** What changes make of things: those of them that are not known here, or in the table. */
  #newest(changes: Change[], kept: (Thing | undefined)[]): Thing[] {
    const news = new Map<string, Thing>();
    for (const [place, { id, version, node }] of changes.entries()) {
      const [here, before] = [this.#find(id), kept[place]];
      if (here && here.version >= version) continue;
      // Where the table has it, another window was first.
      const isKnown = before && before.version >= version;
      const thing = isKnown ? before : node ? thingOf(node) : this.#gone(id, version, before, news);
      if (thing) news.set(id, thing);
    }
    return [...news.values()];
  }

  /** A thing in the trash, or gone: it can be shown there until the server is asked. */
  #gone(id: string, version: number, kept: Thing | undefined, news: Map<string, Thing>) {
    // What was made here may be deleted elsewhere before its answer comes, and must not come back.
    const { tasks, lists } = this.things();
    const seen = tasks.get(id) ?? lists.get(id);
    // The same page may have told that it is there.
    const thing = news.get(id) ?? kept ?? seen;
    if (!thing) return undefined;
    const along = this.#wentAlong(thing, version, news);
    const deletedAt = along ?? thing.deletedAt ?? seen?.deletedAt ?? now();
    return { ...thing, version, deletedAt };
  }

  #isEmpty(): boolean {
    return this.#state.cursor === null && this.#kept.tasks.size + this.#kept.lists.size === 0;
  }

  #find(id: string | null): Thing | undefined {
    return id === null ? undefined : (this.#kept.tasks.get(id) ?? this.#kept.lists.get(id));
  }

  /** When what it is in went into the trash, if that was before: so it went along, and comes back along. */
  #wentAlong(thing: Thing, version: number, news: Map<string, Thing>): string | undefined {
    const above = thing.kind === "LIST" ? [] : [thing.parentId, thing.listId];
    const found = above.map((id) => news.get(id ?? "") ?? this.#find(id));
    return found.find((one) => one?.deletedAt && one.version < version)?.deletedAt ?? undefined;
  }
}

/** Things with others in their place, unless these are older. */
function merged({ tasks, lists }: Things, put: Thing[], gone: string[], isWhole = false): Things {
  const changed = {
    TASK: new Map<string, Thing>(isWhole ? [] : tasks),
    LIST: new Map<string, Thing>(isWhole ? [] : lists),
  };
  for (const thing of put) {
    const kept = changed[thing.kind].get(thing.id);
    if (!kept || kept.version <= thing.version) changed[thing.kind].set(thing.id, thing);
  }
  for (const id of gone) changed[id.startsWith("L") ? "LIST" : "TASK"].delete(id);
  return {
    tasks: changed.TASK as Map<string, Task>,
    lists: changed.LIST as Map<string, TaskList>,
  };
}

function versionOf(some: { version: number }[]): number {
  return some.reduce((greatest, { version }) => Math.max(greatest, version), 0);
}

/** The things that have become others. */
function differing(before: Things, after: Things): Thing[] {
  const tasks = [...after.tasks.values()].filter((task) => before.tasks.get(task.id) !== task);
  const lists = [...after.lists.values()].filter((list) => before.lists.get(list.id) !== list);
  return [...tasks, ...lists];
}

/** What happened together bears the same instant: that of the answer, where it says one. */
function dated<T extends Thing>(thing: T, put: Thing[], entry: Entry): T {
  const [instant, answer]: [string, any] = [instantOf(entry), put[0]];
  const fields = ["completedAt", "deletedAt"].filter((field) => (thing as any)[field] === instant);
  return fields.reduce((all, field) => ({ ...all, [field]: answer?.[field] ?? instant }), thing);
}

/** The ids that an act names: whatever became of them, the answer says it. */
function namedBy({ input }: Entry): unknown[] {
  return [input.id, ...((input.ids as unknown[]) ?? [])];
}

/** Do something later, if the program is still there for other reasons. */
function later(milliseconds: number, work: () => void): void {
  const timer: any = setTimeout(work, milliseconds);
  timer.unref?.();
}

function now(): string {
  return `${new Date().toISOString().slice(0, -1)}000Z`;
}

/** Whether it is the same act: an entry that was tried again is another object. */
function isSame(a: Layer, b: Layer | undefined): boolean {
  return a.seq === b?.seq && a.input === b.input;
}
