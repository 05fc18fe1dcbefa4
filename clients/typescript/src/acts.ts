/** Acts: what a person has done, as it waits in the queue, or was refused. */

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

/** A change that waits. */
export interface Entry {
  /** Its place in the queue. */
  seq: number;
  format: number;
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
  /** Whether its ids were made anew once, since the clock they were made by was wrong. */
  isRenamed?: boolean;
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
