import type { Thing } from "./things";
export type Operation = "createTask" | "createTasks" | "updateTask" | "updateTasks" | "moveTask" | "deleteTask" | "deleteTasks" | "restoreTask" | "restoreTasks" | "purgeTasks" | "emptyTrash"
  | "createList" | "updateList" | "moveList" | "deleteList" | "restoreList" | "renameLabel" | "undo";
export interface Entry { seq: number; format: 1; operation: Operation; input: Record<string, unknown>; key: string; at: number;
  seen?: Record<string, unknown>; window: string; tries: number; firstTriedAt: number | null; parked?: string }
export interface Refused { seq: number; entry: Entry; at: number; code: string; message: string; issues?: { path: string[]; message: string }[];
  current?: Thing | null; fields?: string[] }
export interface OutboxState { isKept: boolean; isOnline: boolean; isSignedOut: boolean; isSending: boolean; waiting: number; parked: number; refused: number }
export interface Outbox {
  act(operation: Operation, input: object, seen?: object): Promise<Entry>;
  entries(): readonly Entry[]; refused(): readonly Refused[]; state(): OutboxState;
  takeBack(key: string): Promise<"removed" | "undone">;
  throwAway(seq: number): Promise<void>; dismiss(seq: number): Promise<void>;
  again(seq: number, input?: object): Promise<Entry>;
  sendNow(): void; subscribe(listener: () => void): () => void;
}
