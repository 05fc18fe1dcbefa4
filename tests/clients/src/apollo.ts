/** Apollo Client 4 for this API. */

import {
  ApolloClient,
  ApolloLink,
  CombinedGraphQLErrors,
  HttpLink,
  InMemoryCache,
} from "@apollo/client";
import { SetContextLink } from "@apollo/client/link/context";
import { ErrorLink } from "@apollo/client/link/error";
import { PersistedQueryLink } from "@apollo/client/link/persisted-queries";
import { RetryLink } from "@apollo/client/link/retry";
import { GraphQLWsLink } from "@apollo/client/link/subscriptions";
import { relayStylePagination } from "@apollo/client/utilities";
import { OperationTypeNode } from "graphql";
import type { Client } from "graphql-ws";

import { CreateTask, DeleteTask, TaskList } from "./operations.js";
import type { Session } from "./session.js";
import { hashInManifest } from "./trusted.js";

/** The code of the first error, such as `UNAUTHENTICATED`; undefined where no answer came. */
export function codeOf(error: unknown): unknown {
  return CombinedGraphQLErrors.is(error) ? error.errors[0]?.extensions?.code : undefined;
}

async function sha256(text: string): Promise<string> {
  const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return Array.from(new Uint8Array(hash), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export interface Options {
  fetch?: typeof globalThis.fetch;
  /** What subscriptions go by. */
  live?: Client;
  /** Whether the server has the manifest of these documents, so that no text need be sent. */
  trusted?: boolean;
}

export function apolloClient(
  uri: string,
  session: Session,
  { fetch = globalThis.fetch, live, trusted }: Options = {},
) {
  const renewToken = new ErrorLink(({ error, operation, forward }) => {
    if (codeOf(error) === "UNAUTHENTICATED") {
      session.renew();
      return forward(operation);
    }
  });
  const withToken = new SetContextLink(async ({ headers }) => ({
    headers: { ...headers, authorization: `Bearer ${await session.token()}` },
  }));
  // An answer that is lost leaves it open whether a change was made: with a key it is made once.
  const sendAgain = new RetryLink({
    attempts: {
      max: 5,
      retryIf: (error, { operationType, variables }) =>
        error instanceof TypeError &&
        (operationType === OperationTypeNode.QUERY || variables.input?.idempotencyKey),
    },
  });
  const http = ApolloLink.from([
    sendAgain,
    renewToken,
    withToken,
    new PersistedQueryLink(
      trusted
        ? { generateHash: hashInManifest }
        : { sha256, useGETForHashedQueries: true },
    ),
    new HttpLink({ uri, fetch }),
  ]);
  return new ApolloClient({
    link: live
      ? ApolloLink.split(
          ({ operationType }) => operationType === OperationTypeNode.SUBSCRIPTION,
          new GraphQLWsLink(live),
          http,
        )
      : http,
    cache: new InMemoryCache({
      typePolicies: {
        Query: { fields: { tasks: relayStylePagination(["filter", "orderBy"]) } },
      },
    }),
  });
}

/** A changed task shows by itself; where a new one belongs, only the server knows. */
export async function createTask(client: ApolloClient, title: string) {
  const { data } = await client.mutate({
    mutation: CreateTask,
    variables: { input: { title } },
    refetchQueries: [TaskList],
  });
  return data?.createTask;
}

/** What leaves the cache leaves the lists. */
export async function deleteTask(client: ApolloClient, id: string) {
  const { data } = await client.mutate({
    mutation: DeleteTask,
    variables: { input: { id } },
    update(cache, { data }) {
      if (data?.deleteTask?.__typename === "DeleteTaskSuccess") {
        cache.evict({ id: cache.identify({ __typename: "Task", id }) });
      }
    },
  });
  return data?.deleteTask;
}
