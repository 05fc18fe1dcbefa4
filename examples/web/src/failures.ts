// What went wrong, in words for people.
import type { CombinedError } from "urql";

/** What came of a change. */
export type Outcome =
  | { __typename: string; message?: string; issues?: { path: string[]; message: string }[] }
  | null
  | undefined;

/** What is wrong with one of a form's values, by the issues of an `InvalidInput`. */
export function issueOf(outcome: Outcome, name: string): string | undefined {
  return outcome?.issues?.find(({ path }) => path[0] === name)?.message;
}

/** Codes of errors that pass: the same request may be well a little later. */
const TEMPORARY = new Set([
  "IDEMPOTENCY_CONCURRENT_REQUEST",
  "INTERNAL_SERVER_ERROR",
  "RATE_LIMITED",
  "REQUEST_TIMEOUT",
  "SERVICE_UNAVAILABLE",
  "TIMEOUT",
]);

/** Whether to send the same again: there was no answer of the API's own, whatever came, or it says that this passes. */
export function isTemporary({ networkError, graphQLErrors }: CombinedError): boolean {
  return (
    networkError !== undefined ||
    graphQLErrors.some(({ extensions }) => TEMPORARY.has(String(extensions.code)))
  );
}

export const UNREACHABLE = "The server cannot be reached.";

/** Why a change was not made, in one sentence. */
export function reasonOf(outcome: Outcome, error: CombinedError | undefined): string {
  if (error) return sentence(error);
  return outcome?.issues?.[0]?.message ?? outcome?.message ?? "This could not be done.";
}

/** What to say of a request that had no result. */
export function sentence(error: CombinedError): string {
  return error.networkError
    ? UNREACHABLE
    : (error.graphQLErrors[0]?.message ?? error.message);
}
