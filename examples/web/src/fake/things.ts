export type TaskPriority = "NONE" | "LOW" | "MEDIUM" | "HIGH" | "URGENT";
export interface Recurrence { unit: "DAY" | "WEEK" | "MONTH" | "YEAR"; every: number; weekdays: string[]; ordinal: number | null; monthDay: number | null; month: number | null;
  from: "DUE" | "COMPLETION"; start: string; until: string | null; remaining: number | null; rrule: string | null }
export interface Task { kind: "TASK"; id: string; version: number; title: string; description: string | null; completed: boolean; completedAt: string | null;
  completedOn: string | null; createdAt: string; updatedAt: string; deletedAt: string | null; dueOn: string | null; dueTime: string | null; priority: TaskPriority;
  labels: string[]; position: string; listId: string | null; parentId: string | null; recurrence: Recurrence | null; }
export interface TaskList { kind: "LIST"; id: string; version: number; name: string; position: string; createdAt: string; updatedAt: string; deletedAt: string | null }
export type Thing = Task | TaskList;
export interface Things { tasks: ReadonlyMap<string, Task>; lists: ReadonlyMap<string, TaskList> }
