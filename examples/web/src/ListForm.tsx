import type { TaskList } from "@todo-api/client/things";
export default function ListForm(_: { list?: TaskList; onClose: () => void; onMade?: (id: string) => void }) { return null; }
