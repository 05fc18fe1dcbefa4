/** What entries of the queue have to do with each other, and with what others have changed: functions without a state. */

import type { Entry, Operation } from "./acts.js";
import type { Transaction } from "./store.js";
import type { Thing } from "./things.js";

type Fields = Record<string, unknown>;

/** The format of entries that this version writes and understands. */
export const FORMAT = 1;

/** The fields of an input whose values are ids, at any depth. */
const NAMING = new Set(["id", "ids", "listId", "parentId", "before", "after", "actionKey"]);

/** Fields of an input that are no values of the thing. */
const CIRCUMSTANCES = new Set(["id", "today", "expectedVersion"]);

/** What absolute edits of one thing are: each field gets a value, whatever it was. */
const EDITS = new Set<Operation>(["updateTask", "updateList"]);

const CREATIONS = new Set<Operation>(["createTask", "createTasks", "createList"]);

/** All ids that an entry names, and the key that an undo names it by. */
export function namesOf({ input, key }: Entry): Set<string> {
  const names = new Set([key]);
  const walk = (value: unknown, isNaming: boolean): void => {
    if (typeof value === "string") isNaming && names.add(value);
    else if (Array.isArray(value)) value.forEach((part) => walk(part, isNaming));
    else if (value && typeof value === "object")
      for (const [field, part] of Object.entries(value)) walk(part, NAMING.has(field));
  };
  walk(input, false);
  return names;
}

/** The ids of the things that an entry creates. */
export function createdBy({ operation, input }: Entry): string[] {
  if (!CREATIONS.has(operation)) return [];
  const created = (input.tasks ?? [input]) as { id?: string }[];
  return created.flatMap(({ id }) => id ?? []);
}

/** The ids of the things that an entry is about, and its key: not those of a list, a parent or a neighbour. */
function subjectsOf({ input, key }: Entry): string[] {
  const { id, ids, tasks } = input as { id?: string; ids?: string[]; tasks?: { id?: string }[] };
  return [key, ...(id ? [id] : []), ...(ids ?? []), ...(tasks ?? []).flatMap(({ id }) => id ?? [])];
}

/**
 * The entries that cannot be sent: those set aside, those of another format, and all later ones that name a thing of these, or one
 * that could not be created.
 */
export function stuckAmong(entries: readonly Entry[], refused: readonly Entry[]): Set<number> {
  const things = new Set(refused.flatMap(createdBy));
  const stuck = new Set<number>();
  for (const entry of entries) {
    const isHeld = [...namesOf(entry)].some((name) => things.has(name));
    if (!entry.parked && entry.format === FORMAT && !isHeld) continue;
    stuck.add(entry.seq);
    for (const thing of subjectsOf(entry)) things.add(thing);
  }
  return stuck;
}

/** An entry under which a thing has another id. */
export function renamed(entry: Entry, from: string, to: string): Entry {
  if (!namesOf(entry).has(from)) return entry;
  const walk = (value: any, isNaming: boolean): any => {
    if (value === from && isNaming) return to;
    if (Array.isArray(value)) return value.map((part) => walk(part, isNaming));
    if (!value || typeof value !== "object") return value;
    return Object.fromEntries(Object.entries(value).map(([field, part]) => [field, walk(part, NAMING.has(field))]));
  };
  const { input, seen } = entry;
  return { ...entry, input: walk(input, false), ...(seen && { seen: walk(seen, false) }) };
}

/**
 * What is left of entries if one of them, never sent, is taken out: with what it creates goes all that is about that alone.
 *
 * @returns The entries to write anew, and those to delete.
 */
export function without(gone: Entry, entries: readonly Entry[]): { kept: Entry[]; gone: Entry[] } {
  const lost = new Set([...createdBy(gone), gone.key]);
  const result: { kept: Entry[]; gone: Entry[] } = { kept: [], gone: [gone] };
  for (const entry of entries) {
    if (entry.seq <= gone.seq || ![...namesOf(entry)].some((name) => lost.has(name))) continue;
    const rest = spared(entry, lost);
    if (rest) result.kept.push(rest);
    else {
      result.gone.push(entry);
      for (const name of [...createdBy(entry), entry.key]) lost.add(name);
    }
  }
  return result;
}

/** An entry that does not name what is lost any more; undefined where it is about nothing else. */
function spared(entry: Entry, lost: Set<string>): Entry | undefined {
  const { ids, place, ...input } = entry.input as { ids?: string[]; place?: Fields };
  const others = ids?.filter((id) => !lost.has(id));
  if (others?.length === 0) return undefined;
  const isPlaceLost = Object.values(place ?? {}).some((id) => lost.has(id as string));
  const rest = {
    ...entry,
    input: { ...input, ...(others && { ids: others }), ...(place && { place: isPlaceLost ? { last: true } : place }) },
  };
  return [...namesOf(rest)].some((name) => lost.has(name)) ? undefined : rest;
}

/** The fields of a thing that an edit sets. */
export function fieldsOf(input: Fields): string[] {
  return Object.keys(input).filter((field) => !CIRCUMSTANCES.has(field));
}

/** The entry that a new edit can be put together with: the last one that names its thing, of the same fields, and never sent. */
export function forerunnerOf(edit: Entry, entries: readonly Entry[]): Entry | undefined {
  const last = entries.findLast((entry) => namesOf(entry).has(edit.input.id as string));
  if (!last || last.operation !== edit.operation || !EDITS.has(edit.operation)) return undefined;
  if (last.tries > 0 || last.parked || last.format !== FORMAT) return undefined;
  return fieldsOf(edit.input).some((field) => field in last.input) ? last : undefined;
}

/** Two edits as one, or undefined where they cancel out. */
export function merged(first: Entry, second: Entry): Entry | undefined {
  const { expectedVersion = second.input.expectedVersion } = first.input;
  const input = { ...first.input, ...second.input, ...(expectedVersion !== undefined && { expectedVersion }) };
  const seen: Fields = { ...second.seen, ...first.seen };
  // Nobody completes what is completed: so it was seen as the opposite.
  if (typeof first.input.completed === "boolean") seen.completed ??= !first.input.completed;
  const isNothing = fieldsOf(input).every((field) => field in seen && isSame(seen[field], input[field as never]));
  return isNothing ? undefined : { ...second, input, seen };
}

/** What becomes of an entry that somebody was faster than. */
export interface Reconciled {
  /** What is left of it, to be sent as another change. */
  again?: Entry;
  /** What only the person can decide, and the fields that both have changed. */
  disputed?: { entry: Entry; fields: string[] };
}

/** Put an act together with what somebody else has changed since it was done. */
export function reconciled(entry: Entry, current: Thing): Reconciled {
  const { input, seen = {} } = entry;
  const theirs = current as unknown as Fields;
  const isChanged = (field: string) => !isSame(seen[field], theirs[field]);
  if (!EDITS.has(entry.operation)) {
    const fields = Object.keys(seen).filter(isChanged);
    const isAsSeen = entry.seen && fields.length === 0;
    return isAsSeen ? { again: upon(current, entry, input) } : { disputed: { entry, fields } };
  }
  // What I have not changed is theirs; what we have both made the same is no dispute.
  const mine = fieldsOf(input).filter(
    (field) => !isSame(input[field], theirs[field]) && !(field in seen && isSame(input[field], seen[field])),
  );
  const fields = mine.filter((field) => !(field in seen) || isChanged(field));
  const free = mine.filter((field) => !fields.includes(field));
  return {
    ...(free.length > 0 && { again: upon(current, entry, only(input, free)) }),
    ...(fields.length > 0 && { disputed: { entry: { ...entry, input: only(input, fields) }, fields } }),
  };
}

function only(input: Fields, fields: string[]): Fields {
  return Object.fromEntries(Object.entries(input).filter(([field]) => CIRCUMSTANCES.has(field) || fields.includes(field)));
}

/** An act as if it had been done upon a thing as it is now. */
export function upon(current: Thing, entry: Entry, input = entry.input): Entry {
  return { ...entry, input: { ...input, expectedVersion: current.version } };
}

/** Whether what a person saw is what the server has by now: then they have seen its newest version. */
export function isAsSeen({ operation, input, seen }: Entry, current: Thing): boolean {
  if (!seen) return false;
  const fields = EDITS.has(operation) ? fieldsOf(input) : Object.keys(seen);
  return fields.every((field) => field in seen && isSame(seen[field], (current as unknown as Fields)[field]));
}

function isSame(one: unknown, other: unknown): boolean {
  return JSON.stringify(one ?? null) === JSON.stringify(other ?? null);
}

/** The next place in the queue: never one that something had before. */
export async function nextSeq(transaction: Transaction): Promise<number> {
  const seq = ((await transaction.get("values", "seq"))?.value as number | undefined ?? 0) + 1;
  await transaction.put("values", { name: "seq", value: seq });
  return seq;
}

/** An entry as another change, under a key of its own. */
export function renewed({ parked: _, ...entry }: Entry): Entry {
  return { ...entry, key: crypto.randomUUID(), tries: 0, firstTriedAt: null };
}
