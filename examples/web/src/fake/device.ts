// A device in memory, until the package is there.
import type { Entry, Outbox, OutboxState, Refused } from "./outbox";
import type { Replica } from "./replica";
import type { Task, TaskList, Things } from "./things";

export interface Device { outbox: Outbox; replica: Replica; ids: { task(): string; list(): string }; close(): Promise<void>; forget(): Promise<void>; fetchTrash(): Promise<void> }
export interface DeviceOptions { url: string; token: () => Promise<string | null>; user: string }

const many = Number(new URLSearchParams(location.search).get("many") ?? 0);

export async function openDevice(_: DeviceOptions): Promise<Device> {
  const listeners = new Set<() => void>();
  let number = Math.floor(Date.now() / 1000) * 2097152;
  const tell = () => listeners.forEach((listener) => listener());
  const subscribe = (listener: () => void) => (listeners.add(listener), () => void listeners.delete(listener));
  const ids = { task: () => String(++number), list: () => `L${++number}` };
  let place = 1000000;
  const now = () => new Date().toISOString();
  const day = (away: number) => new Date(Date.now() + away * 864e5).toLocaleDateString("sv");
  const tasks = new Map<string, Task>();
  const lists = new Map<string, TaskList>();
  const before = new Map<string, Things>();
  const task = (fields: Partial<Task>): Task => ({ kind: "TASK", id: ids.task(), version: 1, title: "", description: null, completed: false, completedAt: null, completedOn: null,
    createdAt: now(), updatedAt: now(), deletedAt: null, dueOn: null, dueTime: null, priority: "NONE", labels: [], position: String(++place), listId: null, parentId: null, recurrence: null, ...fields });
  const list = (name: string): TaskList => ({ kind: "LIST", id: ids.list(), version: 1, name, position: String(++place), createdAt: now(), updatedAt: now(), deletedAt: null });
  const put = (fields: Partial<Task>) => { const made = task(fields); tasks.set(made.id, made); return made; };
  if (!location.search.includes("empty")) {
    const [home, work] = [list("Home"), list("Kitchen table, and all that is on it")];
    lists.set(home.id, home).set(work.id, work);
    put({ title: "Flour", labels: ["shopping"], dueOn: day(0) });
    put({ title: "Call the landlord about the window", description: "In the morning.", dueOn: day(-3), priority: "HIGH", listId: home.id });
    const move = put({ title: "Move house", listId: home.id });
    for (const title of ["Pack the books", "Empty the cellar", "Give the keys back"]) put({ title, listId: home.id, parentId: move.id, completed: title < "F", completedAt: title < "F" ? now() : null });
    put({ title: "Water the plants", dueOn: day(1), recurrence: { unit: "WEEK", every: 1, weekdays: [], ordinal: null, monthDay: null, month: null, from: "DUE", start: day(1), until: null, remaining: null, rrule: "FREQ=WEEKLY" } as never, listId: home.id });
    put({ title: "Sand, oil and polish the table, which has been standing out in the rain for the whole of the summer", listId: work.id, priority: "URGENT", labels: ["weekend", "garden"], dueOn: day(0), dueTime: "09:00" });
    put({ title: "Write to Ada", dueOn: day(9) });
    for (let i = 0; i < many; i++) put({ title: `Task ${i} of very many`, dueOn: i % 3 ? null : day(i % 40 - 10), labels: i % 7 ? [] : ["seven"] });
  }
  let entries: Entry[] = [];
  let seq = 0;
  let things: Things = { tasks: new Map(tasks), lists: new Map(lists) };
  let state: OutboxState = { isKept: true, isOnline: true, isSignedOut: false, isSending: false, waiting: 0, parked: 0, refused: 0 };
  const change = (id: string, fields: object) => { const old = tasks.get(id); if (old) tasks.set(id, { ...old, ...fields, updatedAt: now(), version: old.version + 1 }); };
  const publish = () => { things = { tasks: new Map(tasks), lists: new Map(lists) }; state = { ...state }; tell(); };
  const apply = (operation: string, input: any) => {
    const { id, ids: several, today, expectedVersion: _v, place: _place, addLabels, removeLabels, ...fields } = input;
    if (operation === "createTask") put({ id, ...fields });
    if (operation === "createTasks") for (const each of input.tasks) put(each);
    if (operation.startsWith("updateTask")) for (const each of several ?? [id]) {
      const extra: any = { ...fields };
      if ("completed" in fields) Object.assign(extra, { completedAt: fields.completed ? now() : null, completedOn: fields.completed ? today : null });
      const old = tasks.get(each);
      if (old && (addLabels || removeLabels)) extra.labels = [...old.labels.filter((l) => !removeLabels?.includes(l)), ...(addLabels ?? [])];
      change(each, extra);
    }
    if (operation.startsWith("deleteTask")) for (const each of several ?? [id]) change(each, { deletedAt: now() });
    if (operation.startsWith("restoreTask")) for (const each of several ?? [id]) change(each, { deletedAt: null });
    if (operation === "moveTask") {
      const old = tasks.get(id)!;
      const to = { ...old, ...fields };
      const siblings = [...tasks.values()].filter((t) => t.id !== id && !t.deletedAt && t.listId === to.listId && t.parentId === to.parentId).sort((a, b) => (a.position < b.position ? -1 : 1));
      const p = input.place ?? { last: true };
      const at = p.first ? 0 : p.last ? siblings.length : p.before ? siblings.findIndex((t) => t.id === p.before) : siblings.findIndex((t) => t.id === p.after) + 1;
      siblings.splice(at, 0, to);
      siblings.forEach((t, i) => tasks.set(t.id, { ...t, position: String(2000000 + i) }));
      change(id, fields);
    }
    if (operation === "createList") lists.set(id, { ...list(input.name), id });
    if (operation === "updateList") lists.set(id, { ...lists.get(id)!, name: input.name });
    if (operation === "deleteList") lists.set(id, { ...lists.get(id)!, deletedAt: now() });
  };
  const outbox: Outbox = {
    async act(operation, input, seen) {
      const entry: Entry = { seq: ++seq, format: 1, operation, input: input as Record<string, unknown>, key: crypto.randomUUID(), at: Date.now(), window: "w", tries: 0, firstTriedAt: null, ...(seen && { seen: seen as Record<string, unknown> }) };
      before.set(entry.key, things);
      apply(operation, input);
      publish();
      return entry;
    },
    entries: () => entries, refused: () => NONE, state: () => state,
    async takeBack(key) {
      const was = before.get(key);
      if (was) { tasks.clear(); lists.clear(); was.tasks.forEach((t) => tasks.set(t.id, t)); was.lists.forEach((l) => lists.set(l.id, l)); publish(); }
      return "removed";
    },
    async throwAway() {}, async dismiss() {}, async again() { throw new Error("not here"); }, sendNow() {}, subscribe,
  };
  const live = { isFilled: true, isLive: true, isOnline: true, cursor: null };
  return { outbox, ids, replica: { things: () => things, state: () => live, subscribe }, async close() {}, async forget() {}, async fetchTrash() {} };
}
const NONE: readonly Refused[] = [];
