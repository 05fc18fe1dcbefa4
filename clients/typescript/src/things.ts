/** What a person has, as it is kept on the device: tasks and lists, and how they are read of answers. */

export type TaskPriority = "NONE" | "LOW" | "MEDIUM" | "HIGH" | "URGENT";

export interface Recurrence {
  unit: "DAY" | "WEEK" | "MONTH" | "YEAR";
  every: number;
  weekdays: string[];
  ordinal: number | null;
  monthDay: number | null;
  month: number | null;
  from: "DUE" | "COMPLETION";
  /** The day on which the series begins, `YYYY-MM-DD`. */
  start: string;
  until: string | null;
  remaining: number | null;
  /** RFC 5545's text of it; null where there is none, and where the server has not said it yet. */
  rrule: string | null;
}

/** A task. What the server has not answered to yet has the version 0. */
export interface Task {
  kind: "TASK";
  id: string;
  version: number;
  title: string;
  description: string | null;
  completed: boolean;
  completedAt: string | null;
  completedOn: string | null;
  createdAt: string;
  updatedAt: string;
  deletedAt: string | null;
  dueOn: string | null;
  dueTime: string | null;
  priority: TaskPriority;
  labels: string[];
  position: string;
  listId: string | null;
  parentId: string | null;
  recurrence: Recurrence | null;
}

export interface TaskList {
  kind: "LIST";
  id: string;
  version: number;
  name: string;
  position: string;
  createdAt: string;
  updatedAt: string;
  deletedAt: string | null;
}

export type Thing = Task | TaskList;

/** All things of a person by their ids; those in the trash are among them, with `deletedAt`. */
export interface Things {
  readonly tasks: ReadonlyMap<string, Task>;
  readonly lists: ReadonlyMap<string, TaskList>;
}

export const NOTHING: Things = { tasks: new Map(), lists: new Map() };

/** What the API says of a task or a list, `__typename` included. */
export interface Node {
  __typename?: string;
  id: string;
  [field: string]: any;
}

/** Read a node of an answer; undefined where it is none that this package knows. */
export function thingOf(node: Node | null | undefined): Thing | undefined {
  if (node?.__typename === "TaskList") {
    const { id, version, name, position, createdAt, updatedAt, deletedAt } = node as any;
    return { kind: "LIST", id, version, name, position, createdAt, updatedAt, deletedAt };
  }
  if (node?.__typename !== "Task") return undefined;
  const { __typename, list, parent, recurrence, ...columns } = node;
  return {
    ...(columns as any),
    kind: "TASK",
    listId: list?.id ?? null,
    parentId: parent?.id ?? null,
    recurrence: recurrence && withoutTypename(recurrence),
  };
}

/** Find every task and every list in an answer, however deep: results differ in where they show them. */
export function thingsIn(answer: unknown): Thing[] {
  if (answer === null || typeof answer !== "object") return [];
  if (Array.isArray(answer)) return answer.flatMap(thingsIn);
  const thing = isWhole(answer) ? thingOf(answer as Node) : undefined;
  return thing ? [thing] : Object.values(answer).flatMap(thingsIn);
}

/** A task's `list` is a list by its id alone, and is not to be kept. */
function isWhole(node: object): boolean {
  return "version" in node && "position" in node;
}

function withoutTypename({ __typename, ...rest }: any): Recurrence {
  return rest;
}

/** Compare ids as the numbers that they are. */
export function compareIds(a: string, b: string): number {
  return a.length - b.length || (a < b ? -1 : a > b ? 1 : 0);
}

/** The order by hand, which the server compares byte by byte. */
export function byPosition(a: Thing, b: Thing): number {
  return a.position < b.position ? -1 : a.position > b.position ? 1 : compareIds(a.id, b.id);
}
