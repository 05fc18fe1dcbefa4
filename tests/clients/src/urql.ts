/** urql with Graphcache for this API. */

import {
  Client,
  fetchExchange,
  makeOperation,
  subscriptionExchange,
  type CombinedError,
  type Exchange,
  type Operation,
} from "@urql/core";
import { authExchange } from "@urql/exchange-auth";
import {
  cacheExchange,
  offlineExchange,
  type CacheExchangeOpts,
  type StorageAdapter,
} from "@urql/exchange-graphcache";
import { relayPagination } from "@urql/exchange-graphcache/extras";
import { persistedExchange } from "@urql/exchange-persisted";
import { retryExchange } from "@urql/exchange-retry";
import type { Client as LiveClient } from "graphql-ws";

import { askedWait, grownWait, isRepeatable, isTemporary } from "./final.js";
import type { DeleteTaskInput, UpdateTaskInput } from "./gql/graphql.js";
import introspection from "./gql/introspection.json" with { type: "json" };
import type { Session } from "./session.js";
import { hashInManifest } from "./trusted.js";

/** The code of the first error, such as `UNAUTHENTICATED`; undefined where no answer came. */
export function codeOf(error: CombinedError | undefined): unknown {
  return error?.graphQLErrors[0]?.extensions.code;
}

export const graphcache: CacheExchangeOpts = {
  schema: introspection,
  resolvers: { Query: { tasks: relayPagination() } },
  // What is shown until the server has answered; offline, what is kept and sent later.
  optimistic: {
    updateTask: ({ input }) => ({ __typename: "Task", ...(input as UpdateTaskInput) }),
  },
  updates: {
    Mutation: {
      deleteTask: (result, { input }, cache) => {
        const { id } = input as DeleteTaskInput;
        cache.invalidate({ __typename: "Task", id });
      },
    },
  },
};

/** Whether to send a request again that has failed so. */
function mayBeSentAgain(error: CombinedError, { kind, variables }: Operation): boolean {
  const codes = error.graphQLErrors.map(({ extensions }) => extensions.code);
  return isRepeatable(kind, variables) && isTemporary(error.networkError ? undefined : codes);
}

/** Sends again what fails for now, after the time that the answer asks for, or later. */
function sendAgain(isKept: (operation: Operation) => boolean): Exchange {
  return retryExchange({
    maxNumberAttempts: 5,
    initialDelayMs: 500,
    maxDelayMs: 60_000,
    retryWith(error, operation) {
      if (isKept(operation) || !mayBeSentAgain(error, operation)) return null;
      const { retry } = operation.context;
      const delay = askedWait(error.response) ?? retry?.delay;
      return makeOperation(operation.kind, operation, {
        ...operation.context,
        retry: { count: retry?.count ?? 0, delay },
      });
    },
  });
}

/** Has Graphcache keep the changes that fail for now, and send them again by itself. */
function offline(storage: StorageAdapter): Exchange {
  let sendKept = () => {};
  let failures = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;
  return offlineExchange({
    ...graphcache,
    storage: {
      ...storage,
      onOnline(send) {
        sendKept = send;
        storage.onOnline?.(send);
      },
    },
    isOfflineError(error, { operation }) {
      if (operation.kind !== "mutation") return false;
      const isKept = error !== undefined && mayBeSentAgain(error, operation);
      failures = isKept ? failures + 1 : 0;
      if (isKept) {
        clearTimeout(timer);
        timer = setTimeout(() => sendKept(), askedWait(error.response) ?? grownWait(failures));
      }
      return isKept;
    },
  });
}

function withSession(session: Session): Exchange {
  return authExchange(async (utils) => {
    let token = await session.token();
    return {
      addAuthToOperation: (operation) =>
        utils.appendHeaders(operation, { Authorization: `Bearer ${token}` }),
      didAuthError: (error) => codeOf(error) === "UNAUTHENTICATED",
      refreshAuth: async () => {
        session.renew();
        token = await session.token();
      },
    };
  });
}

function liveExchange(live: LiveClient): Exchange {
  return subscriptionExchange({
    forwardSubscription: ({ query = "", variables, extensions }) => ({
      subscribe: (sink) => ({
        unsubscribe: live.subscribe({ query, variables, extensions }, sink),
      }),
    }),
  });
}

// By POST, as all else: what people search for has no place in URLs, which get logged.
const byHash = { preferGetForPersistedQueries: false };

const byManifest: Parameters<typeof persistedExchange>[0] = {
  ...byHash,
  enforcePersistedQueries: true,
  enableForMutation: true,
  enableForSubscriptions: true,
  generateHash: async (_, document) => hashInManifest(document),
};

export interface Options {
  /** Where what the user does offline is kept, to be sent when the network is back. */
  storage?: StorageAdapter;
  fetch?: typeof globalThis.fetch;
  /** What subscriptions go by. */
  live?: LiveClient;
  /** Whether the server has the manifest of these documents, so that no text need be sent. */
  trusted?: boolean;
}

export function urqlClient(
  url: string,
  session: Session,
  { storage, fetch, live, trusted }: Options = {},
): Client {
  return new Client({
    url,
    fetch,
    preferGetMethod: false,
    exchanges: [
      storage ? offline(storage) : cacheExchange(graphcache),
      sendAgain(({ context }) => Boolean(storage && context.optimistic)),
      withSession(session),
      persistedExchange(trusted ? byManifest : byHash),
      fetchExchange,
      ...(live ? [liveExchange(live)] : []),
    ],
  });
}
