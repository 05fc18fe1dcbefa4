/** The queue of one person as it is kept on the device, one for all windows: each has snapshots of it. */

import type { Entry, Refused } from "./acts.js";
import type { TodoClient } from "./client.js";
import { createdBy, stuckAmong } from "./entries.js";
import type { Ids } from "./ids.js";
import type { Store, Transaction } from "./store.js";
import type { Thing } from "./things.js";

export interface OutboxState {
  /** Whether entries outlive the page. */
  isKept: boolean;
  isOnline: boolean;
  isSignedOut: boolean;
  isSending: boolean;
  waiting: number;
  parked: number;
  refused: number;
}

export interface OutboxOptions {
  store: Store;
  client: Pick<TodoClient, "ask">;
  ids: Ids;
  /** How windows hear of each other's acts. Only messages of the kind `outbox` are read. */
  channel?: BroadcastChannel | undefined;
  /** A name of this window. */
  window?: string;
  /** Milliseconds for which the server keeps keys (`IDEMPOTENCY_RETENTION_DAYS`). */
  keyLife?: number;
  /**
   * Told what an answer says, once that is kept, and before its entry leaves the snapshot.
   *
   * @param gone The ids of what was removed for good.
   * @param entry The entry that was done; undefined if it was refused.
   */
  onThings?: (put: Thing[], gone: string[], entry?: Entry, version?: number) => void;
}

/** How sending goes, as the window that sends tells the others. */
export type SendingState = Pick<OutboxState, "isOnline" | "isSignedOut" | "isSending">;

type Message =
  | { kind: "outbox"; do: "reload" | "send" | "tell" }
  | { kind: "outbox"; do: "hear"; state: SendingState };

/** As many new keys of changes are remembered, for those who undo them by their old ones. */
const REMEMBERED = 100;

export class Queue {
  entries: readonly Entry[] = [];
  refused: readonly Refused[] = [];
  /** The entries that cannot be sent for now, by `seq`. */
  stuck: ReadonlySet<number> = new Set();
  state: OutboxState;
  readonly isKept: boolean;
  /** Set by the sender: what is to be done when others have written, or want to have it sent. */
  onWork = (_isUrgent: boolean): void => {};
  /** Whether this window sends, and so is the one that knows how it goes. */
  isSender = false;

  #listeners = new Set<() => void>();
  #sending: SendingState = {
    isOnline: globalThis.navigator?.onLine !== false,
    isSignedOut: false,
    isSending: false,
  };

  constructor(readonly options: OutboxOptions) {
    this.isKept = options.store.isKept;
    this.state = this.#newState();
    options.channel?.addEventListener("message", ({ data }: MessageEvent<Message>) => this.#hear(data));
    this.post({ kind: "outbox", do: "tell" });
  }

  subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** Change the queue in one transaction, then the snapshots, then tell the other windows. */
  async write<R>(work: (transaction: Transaction) => Promise<R>, onWritten?: (result: R) => void): Promise<R> {
    const { store } = this.options;
    const [result, ...rows] = await store.change(["entries", "refused", "things", "values"], async (transaction) => [
      await work(transaction),
      await transaction.all("entries"),
      await transaction.all("refused"),
    ] as const);
    onWritten?.(result);
    this.#show(...rows);
    this.post({ kind: "outbox", do: "reload" });
    return result;
  }

  /** Read anew what other windows have written. */
  reload = async (): Promise<void> => {
    const { store } = this.options;
    this.#show(
      ...(await store.read(["entries", "refused"], async (transaction) => [
        await transaction.all("entries"),
        await transaction.all("refused"),
      ] as const)),
    );
  };

  /** Say how sending goes. */
  become(change: Partial<SendingState>): void {
    const next = { ...this.#sending, ...change };
    if (!isOther(this.#sending, next)) return;
    this.#sending = next;
    this.#notify();
    this.#tell();
  }

  post(message: Message): void {
    try {
      this.options.channel?.postMessage(message);
    } catch {
      // It is closed: so is the window, soon.
    }
  }

  /** Remember by which key a change is known now. */
  async rename(transaction: Transaction, from: string, to: string): Promise<void> {
    const keys = await this.#keys(transaction);
    await transaction.put("values", { name: "keys", value: [...keys, [from, to]].slice(-REMEMBERED) });
  }

  /** The key by which the server knows a change. */
  async newestKey(transaction: Transaction, key: string): Promise<string> {
    return (await this.#keys(transaction)).reduce((known, [from, to]) => (from === known ? to : known), key);
  }

  async #keys(transaction: Transaction) {
    return ((await transaction.get("values", "keys"))?.value ?? []) as [string, string][];
  }

  #show(entries: readonly Entry[], refused: readonly Refused[]) {
    this.entries = entries;
    this.refused = refused;
    this.stuck = stuckAmong(entries, refused.map(({ entry }) => entry));
    for (const id of entries.flatMap(createdBy)) this.options.ids.sawn(id);
    this.#notify();
  }

  #hear(message: Message) {
    if (message.kind !== "outbox") return;
    if (message.do === "reload") void this.reload().then(() => this.onWork(false));
    else if (message.do === "send") this.onWork(true);
    else if (message.do === "tell") this.#tell();
    else if (message.do === "hear" && !this.isSender) {
      this.#sending = message.state;
      this.#notify();
    }
  }

  #tell() {
    if (this.isSender) this.post({ kind: "outbox", do: "hear", state: this.#sending });
  }

  #newState(): OutboxState {
    const { entries, stuck, refused, isKept } = this;
    const counts = { waiting: entries.length - stuck.size, parked: stuck.size, refused: refused.length };
    return { isKept, ...this.#sending, ...counts };
  }

  #notify() {
    const state = this.#newState();
    // The same object until something changes, for those who compare.
    if (isOther(this.state, state)) this.state = state;
    for (const listener of this.#listeners) listener();
  }
}

function isOther<State extends object>(before: State, after: State): boolean {
  return (Object.keys(after) as (keyof State)[]).some((name) => before[name] !== after[name]);
}
