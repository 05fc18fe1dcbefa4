// The API's client: a token on every request, pages joined in the cache, lists kept right after changes.
import { authExchange } from "@urql/exchange-auth";
import { cacheExchange, type Cache } from "@urql/exchange-graphcache";
import { relayPagination } from "@urql/exchange-graphcache/extras";
import { Client, fetchExchange } from "urql";
import { getToken } from "./auth";
import type {
  CreateTaskMutation,
  DeleteTaskMutation,
  DeleteTaskMutationVariables,
  TaskStatus,
  ToggleTaskMutation,
  ToggleTaskMutationVariables,
  UpdateTaskMutation,
  UpdateTaskMutationVariables,
} from "./gql/graphql";
import schema from "./gql/schema";

/** A client for whoever is signed in now; what it caches is theirs. */
export function createClient() {
  return new Client({
    url: `${import.meta.env.VITE_API_URL ?? "http://localhost:8000"}/graphql`,
    // By POST alone: what people write has no place in URLs, which get logged.
    preferGetMethod: false,
    exchanges: [cache, auth, fetchExchange],
  });
}

const auth = authExchange(async (utils) => {
  let token = await getToken();
  return {
    addAuthToOperation: (operation) =>
      token ? utils.appendHeaders(operation, { Authorization: `Bearer ${token}` }) : operation,
    didAuthError: (error) =>
      error.graphQLErrors.some(({ extensions }) => extensions.code === "UNAUTHENTICATED"),
    refreshAuth: async () => {
      token = await getToken();
    },
  };
});

const cache = cacheExchange({
  schema,
  // What has no id lives within what holds it.
  keys: { InputIssue: () => null, PageInfo: () => null, TaskConnection: () => null },
  resolvers: { Query: { tasks: relayPagination() } },
  optimistic: {
    toggleTask: ({ input }: ToggleTaskMutationVariables, cache) => {
      const task = { __typename: "Task", id: input.id };
      return { ...task, completed: !cache.resolve(task, "completed") };
    },
  },
  updates: {
    Mutation: {
      createTask({ createTask: outcome }: CreateTaskMutation, _, cache) {
        if (outcome?.__typename !== "Task") return;
        const key = cache.keyOfEntity(outcome);
        for (const list of lists(cache)) {
          const isFirstPage = !list.after;
          if (isFirstPage && list.filter.status !== "COMPLETED") {
            relink(cache, list, (tasks) => [key, ...tasks]);
          }
        }
        forget(cache, isCount);
      },
      updateTask(
        { updateTask: outcome }: UpdateTaskMutation,
        { input }: UpdateTaskMutationVariables,
        cache,
      ) {
        if (outcome?.__typename === "TaskNotFound") remove(cache, input.id);
      },
      toggleTask(
        { toggleTask: outcome }: ToggleTaskMutation,
        { input }: ToggleTaskMutationVariables,
        cache,
      ) {
        if (outcome?.__typename === "TaskNotFound") remove(cache, input.id);
        if (outcome?.__typename !== "Task") return;
        const joined = outcome.completed ? "COMPLETED" : "PENDING";
        forget(cache, (list) => isCount(list) || list.filter.status === joined);
      },
      deleteTask(
        { deleteTask: outcome }: DeleteTaskMutation,
        { input }: DeleteTaskMutationVariables,
        cache,
      ) {
        if (outcome?.__typename !== "VersionConflict") remove(cache, input.id);
      },
    },
  },
});

/** A cached list of tasks, or a page of one: its key, and the arguments it was fetched with. */
type List = { key: string; filter: { status: TaskStatus }; first: number; after?: string | null };

const isCount = ({ first }: List) => first === 0;

function lists(cache: Cache): List[] {
  return cache
    .inspectFields("Query")
    .filter(({ fieldName }) => fieldName === "tasks")
    .map((field) => ({ ...(field.arguments as Omit<List, "key">), key: field.fieldKey }));
}

function relink(cache: Cache, list: List, change: (tasks: string[]) => (string | null)[]) {
  const connection = cache.resolve("Query", list.key) as string | undefined;
  const tasks = cache.resolve(connection, "nodes") as string[] | undefined;
  if (connection && tasks) cache.link(connection, "nodes", change(tasks));
}

function remove(cache: Cache, id: string) {
  const key = cache.keyOfEntity({ __typename: "Task", id });
  for (const list of lists(cache)) {
    relink(cache, list, (tasks) => tasks.filter((task) => task !== key));
  }
  forget(cache, isCount);
}

/** Have lists fetched again: at once where they are shown, else when they next are. */
function forget(cache: Cache, which: (list: List) => boolean) {
  for (const list of lists(cache).filter(which)) cache.invalidate("Query", list.key);
}
