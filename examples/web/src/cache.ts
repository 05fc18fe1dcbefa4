// What Graphcache is told: how pages join, what shows before the server has answered, which lists a change touches.
import type { Cache, CacheExchangeOpts, ResolveInfo } from "@urql/exchange-graphcache";
import { relayPagination } from "@urql/exchange-graphcache/extras";
import {
  CountDocument,
  WhereChangesEndDocument,
  type CreateTaskMutation,
  type CreateTaskMutationVariables,
  type DeleteTaskMutation,
  type DeleteTaskMutationVariables,
  type FollowChangesSubscription,
  type TaskFieldsFragment,
  type TaskStatus,
  type UpdateTaskMutation,
  type UpdateTaskMutationVariables,
} from "./gql/graphql";
import schema from "./gql/schema";

const UNSENT = "unsent-";

/** Whether the server has not heard of a task yet, which so far has no id to change it by. */
export const isUnsent = ({ id }: { id: string }) => id.startsWith(UNSENT);

export const cacheOptions: CacheExchangeOpts = {
  schema,
  // What has no id lives within what holds it.
  keys: {
    InputIssue: () => null,
    PageInfo: () => null,
    TaskChange: () => null,
    TaskChangeConnection: () => null,
    TaskChangeEdge: () => null,
    TaskConnection: () => null,
  },
  resolvers: { Query: { tasks: relayPagination() } },
  // What has an entry here is kept while offline, and sent later.
  optimistic: {
    createTask: ({ input }: CreateTaskMutationVariables) => {
      const task = { __typename: "Task", id: UNSENT + input.idempotencyKey, version: 0 };
      const createdAt = new Date().toISOString();
      return { ...task, title: input.title, description: null, completed: false, createdAt };
    },
    // Ticks alone: an edit is saved past this, for the user is to be asked on a conflict.
    updateTask: ({ input }: UpdateTaskMutationVariables, cache) => {
      const task = { __typename: "Task", id: input.id };
      const [title, description, version] = ["title", "description", "version"].map((field) =>
        cache.resolve(task, field),
      );
      return { title, description, version, ...task, completed: input.completed };
    },
    deleteTask: ({ input }: DeleteTaskMutationVariables) => ({
      __typename: "DeleteTaskSuccess",
      deletedTaskId: input.id,
    }),
  },
  updates: {
    Mutation: {
      createTask({ createTask: outcome }: CreateTaskMutation, _, cache, info) {
        if (outcome?.__typename !== "Task") return;
        place(cache, info, outcome);
        recount(cache, info, { ALL: +1, PENDING: +1 });
      },
      updateTask(
        { updateTask: outcome }: UpdateTaskMutation,
        { input }: UpdateTaskMutationVariables,
        cache,
        info,
      ) {
        if (outcome?.__typename === "TaskNotFound") remove(cache, info, input.id);
        if (outcome?.__typename === "Task") place(cache, info, outcome);
        const more = input.completed ? +1 : -1;
        recount(cache, info, { PENDING: -more, COMPLETED: more });
      },
      deleteTask(
        { deleteTask: outcome }: DeleteTaskMutation,
        { input }: DeleteTaskMutationVariables,
        cache,
        info,
      ) {
        if (outcome?.__typename === "VersionConflict") return place(cache, info, outcome.current);
        const completed = cache.resolve({ __typename: "Task", id: input.id }, "completed");
        remove(cache, info, input.id);
        recount(cache, info, { ALL: -1, [completed ? "COMPLETED" : "PENDING"]: -1 });
      },
    },
    Subscription: {
      taskChanges({ taskChanges: { cursor, node } }: FollowChangesSubscription, _, cache, info) {
        if (node.task) place(cache, info, node.task);
        else remove(cache, info, node.taskId);
        // Kept with what it brought, so that the next start goes on from there.
        cache.updateQuery({ query: WhereChangesEndDocument }, (kept) => {
          if (kept) kept.taskChanges.pageInfo.endCursor = cursor;
          return kept;
        });
      },
    },
  },
};

/** A cached list of tasks, or a page of one: its key, and the arguments it was fetched with. */
type List = { key: string; filter: { status: TaskStatus }; first: number };
type Page = List & { connection: string; tasks: string[] };

export const STATUSES: TaskStatus[] = ["ALL", "PENDING", "COMPLETED"];
const isCount = ({ first }: List) => first === 0;

function lists(cache: Cache): List[] {
  return cache
    .inspectFields("Query")
    .filter(({ fieldName }) => fieldName === "tasks")
    .map((field) => ({ ...(field.arguments as Omit<List, "key">), key: field.fieldKey }));
}

function pages(cache: Cache): Page[] {
  return lists(cache).flatMap((list) => {
    const connection = cache.resolve("Query", list.key) as string | undefined;
    const tasks = cache.resolve(connection, "nodes") as string[] | undefined;
    return connection && tasks ? [{ ...list, connection, tasks }] : [];
  });
}

/** Have a task in all lists that it belongs to, where its time says, and in no other. */
function place(cache: Cache, info: ResolveInfo, task: TaskFieldsFragment) {
  const key = cache.keyOfEntity({ __typename: "Task", id: task.id })!;
  const created = (other: string | undefined) =>
    other ? Date.parse(String(cache.resolve(other, "createdAt"))) : -Infinity;
  const time = created(key);
  for (const status of STATUSES) {
    let isPlaced = status !== "ALL" && task.completed !== (status === "COMPLETED");
    const inOrder = pages(cache)
      .filter((page) => page.filter.status === status && !isCount(page))
      .sort((one, other) => created(other.tasks[0]) - created(one.tasks[0]));
    for (const page of inOrder) {
      const tasks = without(key, page, info);
      if (!isPlaced) {
        const older = tasks.findIndex((other) => created(other) < time);
        const pageInfo = cache.resolve(page.connection, "pageInfo") as string;
        const isLast = !cache.resolve(pageInfo, "hasNextPage");
        if (older >= 0 || isLast) {
          tasks.splice(older >= 0 ? older : tasks.length, 0, key);
          isPlaced = true;
        }
      }
      cache.link(page.connection, "nodes", tasks);
    }
  }
}

function remove(cache: Cache, info: ResolveInfo, id: string) {
  const key = cache.keyOfEntity({ __typename: "Task", id })!;
  for (const page of pages(cache)) cache.link(page.connection, "nodes", without(key, page, info));
}

/** A page's other tasks. What the server has not heard of shows for now, and is in nothing that stays. */
function without(key: string, { tasks }: Page, info: ResolveInfo) {
  return tasks.filter((task) => task !== key && (info.optimistic || !task.includes(UNSENT)));
}

/** Have the counts fetched again; until the server has answered, show what they will be. */
function recount(cache: Cache, info: ResolveInfo, change: Partial<Record<TaskStatus, number>>) {
  if (info.optimistic) {
    for (const status of STATUSES) {
      cache.updateQuery({ query: CountDocument, variables: { status } }, (count) => {
        if (count) count.tasks.totalCount += change[status] ?? 0;
        return count;
      });
    }
  } else {
    for (const list of lists(cache).filter(isCount)) cache.invalidate("Query", list.key);
  }
}
