// What can be done with tasks and lists, each as one act of the queue.
import type { Device } from "@todo-api/client/device";
import type { Task, TaskList, TaskPriority } from "@todo-api/client/things";
import { act } from "./acts";
import { dayInWords, today } from "./due";

/** The most things that one act may be about. */
const AT_ONCE = 100;

export const quoted = (title: string) =>
  `“${title.length > 60 ? `${title.slice(0, 60)}…` : title}”`;

/** One task by its title, several by their number. */
export const named = (tasks: readonly Task[]) =>
  tasks.length === 1 ? quoted(tasks[0]!.title) : `${tasks.length} tasks`;

export type NewTask = Partial<
  Pick<
    Task,
    "title" | "description" | "listId" | "parentId" | "dueOn" | "dueTime" | "priority" | "labels"
  >
>;

/** Add one task; its id is known at once. */
export async function addTask(
  device: Device,
  fields: NewTask & { title: string },
  says?: string,
): Promise<string> {
  const id = device.ids.task();
  await act(device, "createTask", { id, ...fields }, { says });
  return id;
}

export async function addTasks(
  device: Device,
  tasks: (NewTask & { title: string })[],
): Promise<void> {
  for (const some of inBatches(tasks)) {
    const withIds = some.map((task) => ({ id: device.ids.task(), ...task }));
    await act(device, "createTasks", { tasks: withIds }, { says: `Added ${some.length} tasks` });
  }
}

/** Complete tasks, or open them again. */
export async function complete(
  device: Device,
  tasks: readonly Task[],
  completed: boolean,
): Promise<void> {
  const others = tasks.filter((task) => task.completed !== completed);
  await change(
    device,
    others,
    { completed, today: today() },
    `${completed ? "Completed" : "Opened again:"} ${named(others)}`,
  );
}

/** Change the title or the notes of one task, as it was seen. */
export async function edit(
  device: Device,
  task: Task,
  fields: { title?: string; description?: string | null },
): Promise<void> {
  const seen = Object.fromEntries(
    Object.keys(fields).map((name) => [name, task[name as keyof Task]]),
  );
  await act(
    device,
    "updateTask",
    { id: task.id, ...fields, expectedVersion: task.version || undefined },
    { seen, says: `Changed ${quoted(fields.title ?? task.title)}` },
  );
}

export async function setDue(
  device: Device,
  tasks: readonly Task[],
  dueOn: string | null,
  dueTime?: string | null,
): Promise<void> {
  const says = dueOn
    ? `${named(tasks)}: ${dayInWords(dueOn, today()).toLowerCase()}`
    : `${named(tasks)}: no date`;
  await change(device, tasks, { dueOn, ...(dueTime !== undefined && { dueTime }) }, says);
}

export async function setPriority(
  device: Device,
  tasks: readonly Task[],
  priority: TaskPriority,
): Promise<void> {
  const others = tasks.filter((task) => task.priority !== priority);
  const word = priority === "NONE" ? "no" : priority.toLowerCase();
  await change(device, others, { priority }, `${named(others)}: ${word} priority`);
}

/** Put tasks into a list, or with null into the inbox. Subtasks go with their parents, so they are passed over. */
export async function moveToList(
  device: Device,
  tasks: readonly Task[],
  list: TaskList | null,
): Promise<void> {
  const others = tasks.filter(({ listId, parentId }) => listId !== (list?.id ?? null) && !parentId);
  await change(
    device,
    others,
    { listId: list?.id ?? null },
    `Moved ${named(others)} to ${list ? quoted(list.name) : "Inbox"}`,
  );
}

/** Change many alike, which one act can do for a hundred. */
async function change(
  device: Device,
  tasks: readonly Task[],
  fields: object,
  says: string,
): Promise<void> {
  if (tasks.length === 1) {
    await act(device, "updateTask", { id: tasks[0]!.id, ...fields }, { says });
  } else {
    for (const some of inBatches(tasks)) {
      await act(device, "updateTasks", { ids: some.map(({ id }) => id), ...fields }, { says });
    }
  }
}

/** Put one task elsewhere among its siblings, or below another one. */
export async function place(
  device: Device,
  task: Task,
  where: {
    parentId?: string | null;
    place?: { before: string } | { after: string } | { first: true } | { last: true };
  },
): Promise<void> {
  await act(device, "moveTask", { id: task.id, ...where });
}

/** Into the trash. One task is deleted only as it was seen. */
export async function remove(device: Device, tasks: readonly Task[]): Promise<void> {
  const says = `Deleted ${named(tasks)}`;
  if (tasks.length === 1) {
    const { id, version, title } = tasks[0]!;
    await act(
      device,
      "deleteTask",
      { id, expectedVersion: version || undefined },
      { says, seen: { title } },
    );
  } else {
    for (const some of inBatches(tasks)) {
      await act(device, "deleteTasks", { ids: some.map(({ id }) => id) }, { says });
    }
  }
}

function* inBatches<T>(things: readonly T[]) {
  for (let start = 0; start < things.length; start += AT_ONCE)
    yield things.slice(start, start + AT_ONCE);
}
