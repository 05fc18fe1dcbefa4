import type { TaskList } from "@todo-api/client/things";
export function ListMenu(_: { list: TaskList; lists: readonly TaskList[] }) {
  return null;
}
