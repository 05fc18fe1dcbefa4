// The API's client: a token on every request, a cache that outlives the page, changes that are kept while offline.
import { authExchange } from "@urql/exchange-auth";
import { offlineExchange } from "@urql/exchange-graphcache";
import { makeDefaultStorage } from "@urql/exchange-graphcache/default-storage";
import {
  Client,
  fetchExchange,
  subscriptionExchange,
  type Exchange,
  type Operation,
  type OperationResult,
} from "urql";
import { filter, makeSubject, merge, onPush, pipe } from "wonka";
import { getToken } from "./auth";
import { cacheOptions } from "./cache";
import { createLive } from "./live";

const URL = `${import.meta.env.VITE_API_URL ?? "http://localhost:8000"}/graphql`;

export type Connection = ReturnType<typeof connect>;

let current: { userId: string; connection: Connection } | undefined;

/** All that a user's page has of the API: one for as long as they are signed in. */
export function connectionOf(userId: string) {
  if (current?.userId !== userId) current = { userId, connection: connect(userId) };
  return current.connection;
}

function connect(userId: string) {
  const live = createLive(URL, getToken);
  const kept = makeDefaultStorage({ idbName: `tasks-${userId}`, maxAge: 365 });
  const storage = {
    ...kept,
    onOnline: (send: () => void) => void live.onChange(() => live.isOnline() && send()),
  };
  const client = new Client({
    url: URL,
    fetch: (...request) =>
      fetch(...request).catch((error) => {
        if (error.name !== "AbortError") live.reopen();
        throw error;
      }),
    // By POST alone: what people write has no place in URLs, which get logged.
    preferGetMethod: false,
    exchanges: [
      offlineExchange({ ...cacheOptions, storage }),
      auth,
      inOrder,
      fetchExchange,
      subscriptionExchange({
        forwardSubscription: ({ query = "", variables = {} }) => ({
          subscribe: (sink) => ({ unsubscribe: live.subscribe(query, variables, sink) }),
        }),
      }),
    ],
  });
  /** Leave nothing of the user's on the device. */
  async function forget() {
    current = undefined;
    await kept.clear();
  }
  return { client, live, forget };
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

/** Changes go one after another, in the order in which they were made. */
const inOrder: Exchange =
  ({ forward }) =>
  (operations) => {
    const waiting: Operation[] = [];
    const { source: released, next: release } = makeSubject<Operation>();
    const atOnce = filter<Operation>(
      (operation) => operation.kind !== "mutation" || waiting.push(operation) === 1,
    );
    const releaseNext = onPush<OperationResult>(({ operation }) => {
      if (operation.kind !== "mutation") return;
      waiting.shift();
      if (waiting[0]) release(waiting[0]);
    });
    return pipe(merge([atOnce(operations), released]), forward, releaseNext);
  };
