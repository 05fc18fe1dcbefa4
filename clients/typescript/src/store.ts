/** What is kept on a device of one person: in IndexedDB, or in memory where the browser refuses that. */

import { deleteDB, openDB, type IDBPDatabase, type IDBPTransaction } from "idb";

import type { Entry, Refused } from "./acts.js";
import type { Thing } from "./things.js";

/** The tables, and what is in them. */
export interface Tables {
  /** Changes that are not sent, or not answered, yet: by `seq`. */
  entries: Entry;
  /** Changes that could not be done: by `seq`. */
  refused: Refused;
  /** Tasks and lists as the server has last told them: by `id`. */
  things: Thing;
  /** Those of a whole set that is still being read, to be swapped with `things`: by `id`. */
  incoming: Thing;
  /** Single values, such as the cursor of the feed: by name. */
  values: { name: string; value: unknown };
}
export type Table = keyof Tables;

/** How a transaction reads and writes; it ends when nothing more is asked of it. */
export interface Transaction {
  get<T extends Table>(table: T, key: string | number): Promise<Tables[T] | undefined>;
  /** All rows, in the order of their keys. */
  all<T extends Table>(table: T): Promise<Tables[T][]>;
  put<T extends Table>(table: T, row: Tables[T]): Promise<unknown>;
  delete(table: Table, key: string | number): Promise<unknown>;
  clear(table: Table): Promise<unknown>;
}

export interface Store {
  /** Whether what is written outlives the page. */
  readonly isKept: boolean;
  /** Read and write in one transaction: all that `work` does is kept, or, if it throws, nothing. It may await nothing else. */
  change<R>(tables: Table[], work: (transaction: Transaction) => Promise<R>): Promise<R>;
  /** Read in one transaction. */
  read<R>(tables: Table[], work: (transaction: Transaction) => Promise<R>): Promise<R>;
  close(): void;
  /** Leave nothing on the device. */
  destroy(): Promise<void>;
}

const KEYS = { entries: "seq", refused: "seq", things: "id", incoming: "id", values: "name" } as const;
const TABLES = Object.keys(KEYS) as Table[];

/** Open what is kept under a name, or begin it. */
export async function openStore(name: string): Promise<Store> {
  try {
    const store = new KeptStore(name);
    await store.read(["values"], (transaction) => transaction.get("values", "cursor"));
    return store;
  } catch {
    // Refused by the browser's settings, or there is none.
    return new MemoryStore();
  }
}

class KeptStore implements Store {
  readonly isKept = true;
  #database: Promise<IDBPDatabase> | undefined;

  constructor(readonly name: string) {}

  change<R>(tables: Table[], work: (transaction: Transaction) => Promise<R>) {
    return this.#run("readwrite", tables, work);
  }

  read<R>(tables: Table[], work: (transaction: Transaction) => Promise<R>) {
    return this.#run("readonly", tables, work);
  }

  close() {
    void this.#database?.then((database) => database.close());
    this.#database = undefined;
  }

  async destroy() {
    this.close();
    // Other windows close theirs when they hear of it (`blocking`).
    await deleteDB(this.name);
  }

  async #run<R>(mode: IDBTransactionMode, tables: Table[], work: (transaction: Transaction) => Promise<R>) {
    const transaction = (await this.#open()).transaction(tables, mode);
    try {
      const result = await work(over(transaction));
      await transaction.done;
      return result;
    } catch (error) {
      transaction.done.catch(() => {});
      if (!transaction.error) abort(transaction);
      throw error;
    }
  }

  #open() {
    // Browsers close databases of pages that were in the background for long: then it is opened again.
    const forget = () => this.close();
    this.#database ??= openDB(this.name, 1, {
      upgrade: (database) => {
        for (const table of TABLES) database.createObjectStore(table, { keyPath: KEYS[table] });
      },
      blocking: forget,
      terminated: () => (this.#database = undefined),
    }).catch((error) => {
      this.#database = undefined;
      throw error;
    });
    return this.#database;
  }
}

function over(transaction: IDBPTransaction<unknown, string[], IDBTransactionMode>): Transaction {
  const store = (table: Table) => transaction.objectStore(table) as any;
  return {
    get: (table, key) => store(table).get(key),
    all: (table) => store(table).getAll(),
    put: (table, row) => store(table).put(row),
    delete: (table, key) => store(table).delete(key),
    clear: (table) => store(table).clear(),
  };
}

function abort(transaction: { abort(): void }) {
  try {
    transaction.abort();
  } catch {
    // It has ended already.
  }
}

/** The same for as long as the page lives. */
export class MemoryStore implements Store {
  readonly isKept = false;
  #rows = new Map<Table, Map<string | number, any>>(TABLES.map((table) => [table, new Map()]));
  #last: Promise<unknown> = Promise.resolve();

  /** One after the other, as IndexedDB does. */
  change<R>(tables: Table[], work: (transaction: Transaction) => Promise<R>) {
    const turn = this.#last.then(async () => {
      const before = tables.map((table) => [table, new Map(this.#rows.get(table))] as const);
      try {
        return await work(this.#transaction());
      } catch (error) {
        for (const [table, rows] of before) this.#rows.set(table, rows);
        throw error;
      }
    });
    this.#last = turn.catch(() => {});
    return turn;
  }

  read<R>(tables: Table[], work: (transaction: Transaction) => Promise<R>) {
    return this.change(tables, work);
  }

  close() {}

  async destroy() {
    for (const rows of this.#rows.values()) rows.clear();
  }

  #transaction(): Transaction {
    const rows = (table: Table) => this.#rows.get(table)!;
    return {
      get: async (table, key) => rows(table).get(key),
      all: async (table) => [...rows(table).values()].sort((a, b) => order(a[KEYS[table]], b[KEYS[table]])),
      put: async (table, row: any) => rows(table).set(row[KEYS[table]], structuredClone(row)),
      delete: async (table, key) => rows(table).delete(key),
      clear: async (table) => rows(table).clear(),
    };
  }
}

function order(a: string | number, b: string | number) {
  return a < b ? -1 : a > b ? 1 : 0;
}
