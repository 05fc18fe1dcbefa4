// What Graphcache is told: how pages join, what shows before the server has answered, which lists a change touches.
import type { Cache, CacheExchangeOpts, ResolveInfo } from "@urql/exchange-graphcache";
import { relayPagination } from "@urql/exchange-graphcache/extras";
import {
  CountDocument,
  ListsDocument,
  WhereChangesEndDocument,
  type CreateListMutation,
  type CreateTaskMutation,
  type CreateTaskMutationVariables,
  type DeleteListMutation,
  type DeleteListMutationVariables,
  type DeleteTaskMutation,
  type DeleteTaskMutationVariables,
  type FollowChangesSubscription,
  type TaskFieldsFragment,
  type TaskStatus,
  type UpdateListMutation,
  type UpdateListMutationVariables,
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
    Change: () => null,
    ChangeConnection: () => null,
    ChangeEdge: () => null,
    InputIssue: () => null,
    PageInfo: () => null,
    TaskConnection: () => null,
    TaskListConnection: () => null,
  },
  resolvers: { Query: { tasks: relayPagination() } },
  // What has an entry here is kept while offline, and sent later.
  optimistic: {
    createTask: ({ input }: CreateTaskMutationVariables) => ({
      __typename: "Task",
      id: UNSENT + input.idempotencyKey,
      version: 0,
      title: input.title,
      description: null,
      completed: false,
      createdAt: new Date().toISOString(),
      dueOn: input.dueOn ?? null,
      dueTime: input.dueTime ?? null,
      priority: input.priority ?? "NONE",
      labels: input.labels ?? [],
      list: input.listId ? { __typename: "TaskList", id: input.listId } : null,
    }),
    // Ticks alone: an edit is saved past this, for the user is to be asked on a conflict.
    updateTask: ({ input }: UpdateTaskMutationVariables) => ({
      __typename: "Task",
      id: input.id,
      completed: input.completed,
    }),
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
        recount(cache, info, outcome.id, { ALL: +1, PENDING: +1 });
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
        recount(cache, info, input.id, { PENDING: -more, COMPLETED: more });
      },
      deleteTask(
        { deleteTask: outcome }: DeleteTaskMutation,
        { input }: DeleteTaskMutationVariables,
        cache,
        info,
      ) {
        if (outcome?.__typename === "VersionConflict") return place(cache, info, outcome.current);
        const completed = cache.resolve(taskKey(cache, input.id), "completed");
        remove(cache, info, input.id);
        recount(cache, info, input.id, { ALL: -1, [completed ? "COMPLETED" : "PENDING"]: -1 });
      },
      createList({ createList: outcome }: CreateListMutation, _, cache) {
        if (outcome?.__typename !== "TaskList") return;
        cache.updateQuery({ query: ListsDocument }, (kept) => {
          const isNew = !kept?.lists.nodes.some(({ id }) => id === outcome.id);
          if (isNew) kept?.lists.nodes.push(outcome);
          return kept;
        });
      },
      updateList(
        { updateList: outcome }: UpdateListMutation,
        { input }: UpdateListMutationVariables,
        cache,
        info,
      ) {
        if (outcome?.__typename === "ListNotFound") removeList(cache, info, input.id);
      },
      deleteList(
        { deleteList: outcome }: DeleteListMutation,
        { input }: DeleteListMutationVariables,
        cache,
        info,
      ) {
        if (outcome) removeList(cache, info, input.id);
      },
    },
    Subscription: {
      changes({ changes: { cursor, node: change } }: FollowChangesSubscription, _, cache, info) {
        const { kind, id, node } = change;
        if (kind === "TASK") {
          if (node?.__typename === "Task") place(cache, info, node);
          else remove(cache, info, id);
        }
        // Where a list stands among the others is read again, when changes rest.
        if (kind === "LIST" && !node) removeList(cache, info, id);
        // Kept with what it brought, so that the next start goes on from there.
        cache.updateQuery({ query: WhereChangesEndDocument }, (kept) => {
          if (kept) kept.changes.pageInfo.endCursor = cursor;
          return kept;
        });
      },
    },
  },
};

/** Which tasks: those of a list, those of the inbox, or all. */
export type Where = { listId: string | null; inbox: boolean };

export const EVERYWHERE: Where = { listId: null, inbox: false };
export const INBOX: Where = { listId: null, inbox: true };
export const within = (listId: string): Where => ({ listId, inbox: false });

export const STATUSES: TaskStatus[] = ["ALL", "PENDING", "COMPLETED"];

/** Cached tasks, or a page of them: the key, and the arguments that they were fetched with. */
type Fetched = { key: string; filter: Where & { status: TaskStatus }; first: number };
type Page = Fetched & { connection: string; tasks: string[] };

const isCount = ({ first }: Fetched) => first === 0;

function fetched(cache: Cache): Fetched[] {
  return cache
    .inspectFields("Query")
    .filter(({ fieldName }) => fieldName === "tasks")
    .map((field) => ({ ...(field.arguments as Omit<Fetched, "key">), key: field.fieldKey }));
}

function pages(cache: Cache): Page[] {
  return fetched(cache).flatMap((some) => {
    const connection = cache.resolve("Query", some.key) as string | undefined;
    const tasks = cache.resolve(connection, "nodes") as string[] | undefined;
    return connection && tasks ? [{ ...some, connection, tasks }] : [];
  });
}

const taskKey = (cache: Cache, id: string) => cache.keyOfEntity({ __typename: "Task", id })!;
const listKey = (cache: Cache, id: string) => cache.keyOfEntity({ __typename: "TaskList", id })!;

/** Have a task on all pages that it belongs to, where its time says, and on no other. */
function place(cache: Cache, info: ResolveInfo, { id, completed }: TaskFieldsFragment) {
  const key = taskKey(cache, id);
  const list = cache.resolve(key, "list");
  const created = (other: string | undefined) =>
    other ? Date.parse(String(cache.resolve(other, "createdAt"))) : -Infinity;
  const time = created(key);

  function belongsTo({ status, listId, inbox }: Page["filter"]) {
    const isThere = inbox ? !list : !listId || list === listKey(cache, listId);
    return isThere && (status === "ALL" || completed === (status === "COMPLETED"));
  }

  const inOrder = pages(cache)
    .filter((page) => !isCount(page))
    .sort((one, other) => created(other.tasks[0]) - created(one.tasks[0]));
  const filterOf = ({ filter }: Page) => JSON.stringify(filter);
  for (const filter of new Set(inOrder.map(filterOf))) {
    let isPlaced = !belongsTo(JSON.parse(filter));
    for (const page of inOrder.filter((other) => filterOf(other) === filter)) {
      const tasks = without((task) => task === key, page, info);
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
  const key = taskKey(cache, id);
  removeWhere((task) => task === key, cache, info);
}

/** Have a list gone, and its tasks with it. */
function removeList(cache: Cache, info: ResolveInfo, id: string) {
  const key = listKey(cache, id);
  removeWhere((task) => cache.resolve(task, "list") === key, cache, info);
  cache.updateQuery({ query: ListsDocument }, (kept) => {
    if (kept) kept.lists.nodes = kept.lists.nodes.filter((list) => list.id !== id);
    return kept;
  });
  invalidateCounts(cache);
}

function removeWhere(isGone: (task: string) => boolean, cache: Cache, info: ResolveInfo) {
  for (const page of pages(cache)) {
    cache.link(page.connection, "nodes", without(isGone, page, info));
  }
}

/** A page's other tasks. What the server has not heard of shows for now, and is in nothing that stays. */
function without(isGone: (task: string) => boolean, { tasks }: Page, info: ResolveInfo) {
  return tasks.filter((task) => !isGone(task) && (info.optimistic || !task.includes(UNSENT)));
}

/** Have the counts fetched again; until the server has answered, show what they will be. */
function recount(
  cache: Cache,
  info: ResolveInfo,
  taskId: string,
  change: Partial<Record<TaskStatus, number>>,
) {
  if (!info.optimistic) return invalidateCounts(cache);
  const list = cache.resolve(taskKey(cache, taskId), "list") as string | null;
  const itsPlace = list ? within(cache.resolve(list, "id") as string) : INBOX;
  for (const where of [EVERYWHERE, itsPlace]) {
    for (const status of STATUSES) {
      cache.updateQuery({ query: CountDocument, variables: { status, ...where } }, (count) => {
        if (count) count.tasks.totalCount += change[status] ?? 0;
        return count;
      });
    }
  }
  cache.updateQuery({ query: ListsDocument }, (kept) => {
    const its = kept?.lists.nodes.find(({ id }) => id === itsPlace.listId);
    if (its) its.pendingCount += change.PENDING ?? 0;
    return kept;
  });
}

function invalidateCounts(cache: Cache) {
  cache.invalidate("Query", "lists", { first: 100 });
  for (const count of fetched(cache).filter(isCount)) cache.invalidate("Query", count.key);
}
