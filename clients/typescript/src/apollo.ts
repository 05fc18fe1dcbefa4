/** For Apollo Client: sending again, tokens, and how its cache keeps what the API has. */

import { ApolloLink, type TypePolicies } from "@apollo/client";
import { CombinedGraphQLErrors, ServerError, ServerParseError } from "@apollo/client/errors";
import { SetContextLink } from "@apollo/client/link/context";
import { ErrorLink } from "@apollo/client/link/error";
import { RetryLink } from "@apollo/client/link/retry";
import { relayStylePagination } from "@apollo/client/utilities";
import { catchError, map, of, throwError } from "rxjs";

import { askedWait, type TodoClient } from "./client.js";
import { isTemporary, UNAUTHENTICATED } from "./outcomes.js";
import { grownWait, isRepeatable } from "./repeating.js";

export interface RetryOptions {
  /** How often a request is sent at most. */
  attempts?: number;
}

/**
 * A link that sends a request again where that is safe, after the time that the answer asks for: a query, or a mutation whose
 * `input` has an `idempotencyKey`. It stands before the links that it sends by.
 */
export function retryLink({ attempts = 5 }: RetryOptions = {}): ApolloLink {
  return ApolloLink.from([
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
        max: attempts,
        retryIf: (error, { operationType, variables }) =>
          isRepeatable(operationType, variables) && isTemporaryFailure(error),
      },
      delay: (failures, operation) => {
        const { response } = operation.getContext();
        return (response && askedWait(response.headers)) ?? grownWait(failures);
      },
    }),
    // RetryLink sees errors alone, no answers with errors in them.
    new ApolloLink((operation, forward) =>
      forward(operation).pipe(
        map((result) => {
          const error = result.errors && new CombinedGraphQLErrors(result);
          if (isTemporaryFailure(error)) throw error;
          return result;
        }),
      ),
    ),
  ]);
}

function isTemporaryFailure(error: unknown): boolean {
  // What the API itself refuses comes as GraphQL's JSON, whatever its status.
  if (CombinedGraphQLErrors.is(error)) return isTemporary({ status: 200, body: { errors: error.errors } });
  return ServerError.is(error) || ServerParseError.is(error) || error instanceof TypeError;
}

/** A link that has each request carry a token, and fetches another once where that one is over. */
export function tokenLink({ token, renew }: Pick<TodoClient, "token" | "renew">): ApolloLink {
  return ApolloLink.from([
    new ErrorLink(({ error, operation, forward }) => {
      if (!CombinedGraphQLErrors.is(error)) return;
      if (error.errors[0]?.extensions?.code !== UNAUTHENTICATED) return;
      renew();
      return forward(operation);
    }),
    new SetContextLink(async ({ headers }) => ({
      headers: { ...headers, authorization: `Bearer ${await token()}` },
    })),
  ]);
}

/** Pages of the same list are put together; those of another filter or order are kept apart. */
export const typePolicies: TypePolicies = {
  Query: {
    fields: {
      tasks: relayStylePagination(["filter", "orderBy"]),
      lists: relayStylePagination(["trash"]),
      labels: relayStylePagination(),
    },
  },
  TaskList: { fields: { tasks: relayStylePagination(["filter", "orderBy"]) } },
  // Its id is that of what has changed.
  Change: { keyFields: false },
};
