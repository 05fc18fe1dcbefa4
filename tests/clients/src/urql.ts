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
    forwardSubscription: ({ query = "", variables }) => ({
      subscribe: (sink) => ({ unsubscribe: live.subscribe({ query, variables }, sink) }),
    }),
  });
}

/** With a storage, what the user does offline is kept and sent when the network is back. */
export function urqlClient(
  url: string,
  session: Session,
  {
    storage,
    fetch,
    live,
  }: { storage?: StorageAdapter; fetch?: typeof globalThis.fetch; live?: LiveClient } = {},
): Client {
  return new Client({
    url,
    fetch,
    preferGetMethod: false,
    exchanges: [
      storage ? offlineExchange({ ...graphcache, storage }) : cacheExchange(graphcache),
      withSession(session),
      persistedExchange(),
      fetchExchange,
      ...(live ? [liveExchange(live)] : []),
    ],
  });
}
