/** Apollo Client 4 for this API. */

import {
  ApolloClient,
  ApolloLink,
  CombinedGraphQLErrors,
  HttpLink,
  InMemoryCache,
  ServerError,
  ServerParseError,
} from "@apollo/client";
import { SetContextLink } from "@apollo/client/link/context";
import { ErrorLink } from "@apollo/client/link/error";
import { PersistedQueryLink } from "@apollo/client/link/persisted-queries";
import { RetryLink } from "@apollo/client/link/retry";
import { GraphQLWsLink } from "@apollo/client/link/subscriptions";
import { relayStylePagination } from "@apollo/client/utilities";
import { OperationTypeNode } from "graphql";
import type { Client } from "graphql-ws";
import { catchError, map, of, throwError } from "rxjs";

import { askedWait, grownWait, isRepeatable, isTemporary } from "./final.js";
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

/** Whether to send a request again that has failed so. */
function isTemporaryError(error: unknown): boolean {
  if (CombinedGraphQLErrors.is(error)) {
    return isTemporary(error.errors.map(({ extensions }) => extensions?.code));
  }
  // What the API itself refuses comes as GraphQL's JSON, whatever its status.
  return ServerError.is(error) || ServerParseError.is(error) || error instanceof TypeError;
}

/** Sends a request again where that is safe, after the time that the answer asks for. */
const sendAgain = [
  // What is still an error in the end is an answer again, with the data that came beside it.
  new ApolloLink((operation, forward) =>
    forward(operation).pipe(
      catchError((error) =>
        CombinedGraphQLErrors.is(error)
          ? of({ data: error.data, errors: error.errors, extensions: error.extensions })
          : throwError(() => error),
      ),
    ),
  ),
  new RetryLink({
    attempts: {
      max: 5,
      retryIf: (error, { operationType, variables }) =>
        isRepeatable(operationType, variables) && isTemporaryError(error),
    },
    delay: (failures, operation) =>
      askedWait(operation.getContext().response) ?? grownWait(failures),
  }),
  // RetryLink sees errors alone, no answers with errors in them.
  new ApolloLink((operation, forward) =>
    forward(operation).pipe(
      map((result) => {
        const error = result.errors && new CombinedGraphQLErrors(result);
        if (isTemporaryError(error)) throw error;
        return result;
      }),
    ),
  ),
];

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
  const http = ApolloLink.from([
    ...sendAgain,
    renewToken,
    withToken,
    new PersistedQueryLink(trusted ? { generateHash: hashInManifest } : { sha256 }),
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
    variables: { input: { title, idempotencyKey: crypto.randomUUID() } },
    refetchQueries: [TaskList],
  });
  return data?.createTask;
}

/** What leaves the cache leaves the lists. */
export async function deleteTask(client: ApolloClient, id: string) {
  const { data } = await client.mutate({
    mutation: DeleteTask,
    variables: { input: { id, idempotencyKey: crypto.randomUUID() } },
    update(cache, { data }) {
      if (data?.deleteTask?.__typename === "DeleteTaskSuccess") {
        cache.evict({ id: cache.identify({ __typename: "Task", id }) });
      }
    },
  });
  return data?.deleteTask;
}
