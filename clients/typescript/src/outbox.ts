/** The queue: what a person does is kept on the device, and sent in order until the server has answered. */

import type { Thing } from "./things.js";

export type Operation =
  | "createTask"
  | "createTasks"
  | "updateTask"
  | "updateTasks"
  | "moveTask"
  | "deleteTask"
  | "deleteTasks"
  | "restoreTask"
  | "restoreTasks"
  | "purgeTasks"
  | "emptyTrash"
  | "createList"
  | "updateList"
  | "moveList"
  | "deleteList"
  | "restoreList"
  | "renameLabel"
  | "undo";

/** The format of entries that this version writes and understands. */
export const FORMAT = 1;

/** A change that waits. */
export interface Entry {
  /** Its place in the queue. */
  seq: number;
  format: typeof FORMAT;
  operation: Operation;
  /** The GraphQL input, without `idempotencyKey`. */
  input: Record<string, unknown>;
  key: string;
  /** When the person acted, in milliseconds. */
  at: number;
  /** The fields as they were seen when the person acted, to merge by. */
  seen?: Record<string, unknown>;
  /** The window in which it was done. */
  window: string;
  tries: number;
  firstTriedAt: number | null;
  /** Why it is set aside, with all later ones of the same thing. */
  parked?: string;
}

/** A change that the server has refused for good, until the person has dealt with it. */
export interface Refused {
  seq: number;
  entry: Entry;
  at: number;
  /** `__typename` of the outcome, or `extensions.code` of the error. */
  code: string;
  message: string;
  issues?: { path: string[]; message: string }[];
  /** Of a conflict: the thing as it is now. */
  current?: Thing | null;
  /** Of a conflict: the fields that both have changed. */
  fields?: string[];
}

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
  sendNow(): void;
  subscribe(listener: () => void): () => void;
}
