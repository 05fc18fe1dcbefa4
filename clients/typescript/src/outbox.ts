/**
 * The queue: what a person does is kept on the device, and sent in order until the server has answered.
 *
 * All windows of a person write into one queue (`queue.ts`), and one of them sends it (`sender.ts`). What entries have to do with
 * each other is in `entries.ts`, and what an answer means in `outcomes.ts`.
 */

import type { Entry, Operation, Refused } from "./acts.js";
import { createdBy, forerunnerOf, FORMAT, merged, nextSeq, renewed, upon, without } from "./entries.js";
import { Queue, type OutboxOptions, type OutboxState } from "./queue.js";
import { Sender } from "./sender.js";
import type { Transaction } from "./store.js";

export type { Entry, Operation, Refused } from "./acts.js";
export type { OutboxOptions, OutboxState } from "./queue.js";

export interface Outbox {
  /** Write an act into the queue; resolves once it is kept on the device. */
  act(operation: Operation, input: object, seen?: object): Promise<Entry>;
  /** Snapshots: the same object until something changes. */
  entries(): readonly Entry[];
  refused(): readonly Refused[];
  state(): OutboxState;
  /** Undo an act: one that was never tried leaves the queue; for any other an `undo` is queued. */
  takeBack(key: string): Promise<"removed" | "undone">;
  throwAway(seq: number): Promise<void>;
  dismiss(seq: number): Promise<void>;
  /** A refused one once more, as it was or with another input, under a new key. */
  again(seq: number, input?: object): Promise<Entry>;
  /** Send what waits, and what is set aside, without waiting any longer. */
  sendNow(): void;
  subscribe(listener: () => void): () => void;
}

/** What else an outbox has for whoever opens it. */
export interface OpenOutbox extends Outbox {
  /** Be the one window that sends: to be called by the holder of a Web Lock, for as long as it has that. */
  start(): void;
  /** Send no more; resolves once nothing is under way. */
  stop(): Promise<void>;
  /** Say whether the server can be reached, as far as is known; if it can again, what waits is sent at once. */
  setOnline(isOnline: boolean): void;
  /** Read anew what other windows have written. */
  reload(): Promise<void>;
}

/** What an act was put together with, and whether the two have cancelled out. */
interface Replaced {
  first: Entry;
  isCancelled: boolean;
}

/** As many acts as can be taken back one by one after they were put together. */
const REMEMBERED = 50;

export async function createOutbox(options: OutboxOptions): Promise<OpenOutbox> {
  const { window = crypto.randomUUID() } = options;
  const queue = new Queue(options);
  const sender = new Sender(queue);
  const replaced = new Map<string, Replaced>();
  await queue.reload();

  async function act(operation: Operation, input: object, seen?: object): Promise<Entry> {
    persist();
    const entry: Omit<Entry, "seq"> = {
      format: FORMAT,
      operation,
      input: plain(input),
      ...(seen && { seen: plain(seen) }),
      key: crypto.randomUUID(),
      at: Date.now(),
      window,
      tries: 0,
      firstTriedAt: null,
    };
    return queue.write((transaction) => add(transaction, entry), sender.wake);
  }

  /** Write an act behind all others, put together with one that it makes needless. */
  async function add(transaction: Transaction, act: Omit<Entry, "seq">): Promise<Entry> {
    const entry = { ...act, seq: await nextSeq(transaction) };
    const first = forerunnerOf(entry, await transaction.all("entries"));
    const written = first ? merged(first, entry) : entry;
    if (first) {
      await transaction.delete("entries", first.seq);
      remember(entry.key, { first, isCancelled: !written });
    }
    if (written) await transaction.put("entries", written);
    return written ?? entry;
  }

  function remember(key: string, what: Replaced) {
    replaced.set(key, what);
    if (replaced.size > REMEMBERED) replaced.delete(replaced.keys().next().value!);
  }

  async function takeBack(key: string): Promise<"removed" | "undone"> {
    const { first, isCancelled } = replaced.get(key) ?? {};
    const actionKey = isCancelled ? undefined : await queue.write((transaction) => retract(transaction, key, first));
    replaced.delete(key);
    if (actionKey !== undefined) await act("undo", { actionKey });
    // The server knows the two as one, or neither: so what was first is done once more.
    if (first && (isCancelled || actionKey !== undefined)) await act(first.operation, withoutVersion(first.input));
    return actionKey === undefined ? "removed" : "undone";
  }

  /** Take an act out of the queue; returns its key if it may have been done. */
  async function retract(transaction: Transaction, key: string, first?: Entry): Promise<string | undefined> {
    const known = await queue.newestKey(transaction, key);
    const entry = (await transaction.all("entries")).find((entry) => entry.key === known);
    const refused = (await transaction.all("refused")).find(({ entry }) => entry.key === known);
    if (refused) await forgo(transaction, refused);
    else if (entry?.tries !== 0) return known;
    else {
      await remove(transaction, entry);
      // What it was put together with is as before.
      if (first) await transaction.put("entries", first);
    }
    return undefined;
  }

  async function throwAway(seq: number): Promise<void> {
    await queue.write(async (transaction) => {
      const entry = await transaction.get("entries", seq);
      // One that was sent may have been done: what comes after it is sent all the same.
      if (entry?.tries === 0) await remove(transaction, entry);
      else await transaction.delete("entries", seq);
    }, sender.wake);
  }

  async function dismiss(seq: number): Promise<void> {
    await queue.write(async (transaction) => {
      const refused = await transaction.get("refused", seq);
      if (refused) await forgo(transaction, refused);
    }, sender.wake);
  }

  async function again(seq: number, input?: object): Promise<Entry> {
    return queue.write(async (transaction) => {
      const refused = await transaction.get("refused", seq);
      if (!refused) throw new Error("It is not among those that could not be done any more.");
      // It keeps its place: what was done after it may be about what it makes.
      const entry = renewed({ ...refused.entry, seq, at: Date.now(), ...(input && { input: plain(input) }) });
      const { current } = refused;
      // They have seen what it is now, and want theirs all the same.
      const isVersioned = current && "expectedVersion" in refused.entry.input;
      const written = isVersioned ? upon(current, { ...entry, seen: { ...current } }) : entry;
      await transaction.delete("refused", seq);
      await transaction.put("entries", written);
      return written;
    }, sender.wake);
  }

  /** Have the browser keep what is written, even if space gets scarce. */
  let isPersistenceAsked = !queue.isKept;
  function persist() {
    if (!isPersistenceAsked) void globalThis.navigator?.storage?.persist?.().catch(() => false);
    isPersistenceAsked = true;
  }

  const { reload, subscribe } = queue;
  const { start, stop, sendNow, setOnline } = sender;
  const snapshots = { entries: () => queue.entries, refused: () => queue.refused, state: () => queue.state };
  return { act, ...snapshots, takeBack, throwAway, dismiss, again, sendNow, subscribe, start, stop, setOnline, reload };
}

/** Take out an act that was never done, and with what it was to make all that is about that alone. */
async function remove(transaction: Transaction, entry: Entry): Promise<void> {
  const { kept, gone } = without(entry, await transaction.all("entries"));
  for (const { seq } of gone) await transaction.delete("entries", seq);
  for (const rest of kept) await transaction.put("entries", rest);
}

async function forgo(transaction: Transaction, { seq, entry }: Refused): Promise<void> {
  await transaction.delete("refused", seq);
  if (createdBy(entry).length > 0) await remove(transaction, entry);
}

/** What can be kept and sent, without what is undefined. */
function plain(value: object): Record<string, unknown> {
  return JSON.parse(JSON.stringify(value));
}

function withoutVersion({ expectedVersion: _, ...input }: Record<string, unknown>): Record<string, unknown> {
  return input;
}
