/** urql with Graphcache for this API. */

import {
  Client,
  fetchExchange,
  subscriptionExchange,
  type CombinedError,
  type Exchange,
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
import type { Client as LiveClient } from "graphql-ws";

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

const byManifest: Parameters<typeof persistedExchange>[0] = {
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
      storage ? offlineExchange({ ...graphcache, storage }) : cacheExchange(graphcache),
      withSession(session),
      persistedExchange(trusted ? byManifest : undefined),
      fetchExchange,
      ...(live ? [liveExchange(live)] : []),
    ],
  });
}
