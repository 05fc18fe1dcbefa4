// What went wrong, in words for people.
import type { CombinedError } from "urql";

/** What is wrong with one of a form's values, by the issues of an `InvalidInput`. */
export function issueOf(
  outcome:
    { __typename: string; issues?: { path: string[]; message: string }[] } | null | undefined,
  name: string,
): string | undefined {
  return outcome?.issues?.find(({ path }) => path[0] === name)?.message;
}

export const UNREACHABLE = "The server cannot be reached.";

/** What to say of a request that had no result. */
export function sentence(error: CombinedError): string {
  return error.networkError
    ? UNREACHABLE
    : (error.graphQLErrors[0]?.message ?? error.message);
}
