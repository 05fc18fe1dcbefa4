/** For urql: sending again, and how Graphcache keeps what the API has. */

import { makeOperation } from "@urql/core";
import type { KeyingConfig, ResolverConfig } from "@urql/exchange-graphcache";
import { relayPagination } from "@urql/exchange-graphcache/extras";
import type { RetryExchangeOptions } from "@urql/exchange-retry";

import { askedWait } from "./client.js";
import { isTemporary } from "./outcomes.js";
import { isRepeatable } from "./repeating.js";
import { WITHOUT_ID } from "./schema/names.js";

/**
 * Options of `retryExchange`: a request is sent again where that is safe, after the time that the answer asks for: a query, or a
 * mutation whose `input` has an `idempotencyKey`.
 */
export const retryOptions: RetryExchangeOptions = {
  maxNumberAttempts: 5,
  initialDelayMs: 500,
  maxDelayMs: 60_000,
  retryWith({ networkError, graphQLErrors, response }, operation) {
    const body = networkError ? undefined : { errors: graphQLErrors as any[] };
    if (!isRepeatable(operation.kind, operation.variables) || !isTemporary({ status: 200, body })) return null;
    const { retry } = operation.context;
    const delay = (response && askedWait(response.headers)) ?? retry?.delay;
    return makeOperation(operation.kind, operation, {
      ...operation.context,
      retry: { count: retry?.count ?? 0, delay },
    });
  },
};

/** For Graphcache: what has no id is kept where it stands; the id of a `Change` is that of what has changed. */
export const keys: KeyingConfig = Object.fromEntries(
  ["Change", ...WITHOUT_ID].map((type) => [type, () => null]),
);

const node = (__typename: string) => (_parent: unknown, { id }: { id?: string }) => ({ __typename, id: id! });

/** For Graphcache: pages are put together, and one task or list is looked up by its id. Always give `first` or `last`. */
export const resolvers: ResolverConfig = {
  Query: { tasks: relayPagination(), lists: relayPagination(), task: node("Task"), list: node("TaskList") },
  TaskList: { tasks: relayPagination() },
};
