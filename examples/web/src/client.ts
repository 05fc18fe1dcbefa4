// The API's client: a token on every request, a cache that outlives the page, changes that are kept while offline.
import { authExchange } from "@urql/exchange-auth";
import { offlineExchange } from "@urql/exchange-graphcache";
import { Client, fetchExchange, subscriptionExchange } from "urql";
import { getToken } from "./auth";
import { cacheOptions } from "./cache";
import { createChanges } from "./changes";
import { isTemporary } from "./failures";
import { createLive } from "./live";
import { createStorage } from "./storage";

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
  const changes = createChanges();
  live.onChange(() => live.isOnline() && changes.goOn());
  const { storage, unsent, clear, clearCache } = createStorage(`tasks-${userId}`, changes);
  const client = new Client({
    url: URL,
    fetch: (url, options) =>
      fetch(url, { ...options, signal: inTime(options?.signal) }).catch((error) => {
        if (error.name !== "AbortError") live.reopen();
        throw error;
      }),
    // By POST alone: what people write has no place in URLs, which get logged.
    preferGetMethod: false,
    exchanges: [
      offlineExchange({
        ...cacheOptions,
        storage,
        // Changes alone: a query in the queue could make all of it `network-only`, and such changes are not kept again.
        isOfflineError: (error, { operation }) =>
          operation.kind === "mutation" && error !== undefined && isTemporary(error),
      }),
      changes.exchange,
      auth,
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
    changes.stop();
    await clear();
  }
  /** Begin anew with what the server has, and send what is not sent yet. */
  async function renew() {
    changes.stop();
    await clearCache();
    location.reload();
  }
  return { client, live, changes, unsent, forget, renew };
}

/** Milliseconds after which a request without an answer counts as failed. */
const PATIENCE = 15_000;

function inTime(signal: AbortSignal | null | undefined) {
  const late = AbortSignal.timeout(PATIENCE);
  return signal ? AbortSignal.any([signal, late]) : late;
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
