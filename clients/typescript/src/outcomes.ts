/** What has come of a request: the one table of what is final. */

/** One of GraphQL's errors. */
export interface Problem {
  message?: string;
  path?: readonly (string | number)[];
  extensions?: { code?: string; [more: string]: unknown };
}

/** What came back for a request, by the API or by something in between. */
export interface Answer {
  /** The HTTP status; 0 where no answer came, or not in time. */
  status: number;
  /** GraphQL's JSON; undefined where the body is none: a proxy's page, a captive portal's. */
  body?: { data?: any; errors?: readonly Problem[] };
  /** Milliseconds that the answer asks to wait. */
  retryAfter?: number;
}

/**
 * - `again`: sent again as it is, it may be well a little later;
 * - `token`: it needs another token, and nothing was executed;
 * - `done`;
 * - `conflict`: somebody was faster, and nothing was written;
 * - `told`: the same answer would come again, so somebody has to be told.
 */
export type Fate = "done" | "conflict" | "told" | "again" | "token";

/** Codes of errors that pass, whatever the status. */
const TEMPORARY = new Set([
  "IDEMPOTENCY_CONCURRENT_REQUEST",
  "INTERNAL_SERVER_ERROR",
  "RATE_LIMITED",
  "REQUEST_TIMEOUT",
  "SERVICE_UNAVAILABLE",
  "TIMEOUT",
]);

/** Statuses below 500 that pass: Request Timeout, Too Early, Too Many Requests. */
const TEMPORARY_STATUSES = new Set([408, 425, 429]);

/** The code of errors that need another token. */
export const UNAUTHENTICATED = "UNAUTHENTICATED";

/** The codes of an answer's errors. */
export function codesOf({ body }: Pick<Answer, "body">): (string | undefined)[] {
  return (body?.errors ?? []).map(({ extensions }) => extensions?.code);
}

/** Whether a code is that of an error that passes. */
export function isTemporaryCode(code: unknown): boolean {
  return TEMPORARY.has(code as string);
}

/** Whether the same request may be well a little later, whatever it asks for. */
export function isTemporary(answer: Answer): boolean {
  const { status, body } = answer;
  return !body || status >= 500 || TEMPORARY_STATUSES.has(status) || codesOf(answer).some(isTemporaryCode);
}

/** Whether an answer would come again: else it may be well with another token, or a little later. */
export function isFinal(answer: Answer): boolean {
  return !codesOf(answer).includes(UNAUTHENTICATED) && !isTemporary(answer);
}

interface Attempt {
  /** The field of the mutation, such as `deleteTask`. */
  operation: string;
  /** How often it was sent, this time included. */
  tries: number;
}

/**
 * What is to be done with the answer to a mutation of one field.
 *
 * @param outcome What its field holds.
 */
export function fateOf(answer: Answer, outcome: any, { operation, tries }: Attempt): Fate {
  const codes = codesOf(answer);
  if (codes.includes(UNAUTHENTICATED)) return "token";
  // It was too long to be sent, but what it was to change has been changed.
  if (codes.includes("RESPONSE_TOO_LARGE")) return "done";
  if (isTemporary(answer)) return "again";
  if (codes.length > 0 || answer.status >= 400) return "told";
  // Nothing that the API would say.
  if (!outcome) return "again";
  const type: string = outcome.__typename;
  if (type === "Task" || type === "TaskList" || type.endsWith("Success")) return "done";
  if (type.endsWith("VersionConflict")) return "conflict";
  if (isGoneAlready(operation, type) || (tries > 1 && isThereAlready(outcome))) return "done";
  return "told";
}

function isGoneAlready(operation: string, type: string): boolean {
  return (
    (operation === "deleteTask" && type === "TaskNotFound") ||
    (operation === "deleteList" && type === "ListNotFound")
  );
}

/** Whether nothing is wrong but that the ids are taken: of what was sent before, it means that it is there. */
function isThereAlready({ issues }: any): boolean {
  return issues?.length > 0 && issues.every(({ code, path }: Issue) => code === "TAKEN" && path.at(-1) === "id");
}

/** Something that is wrong with an input. */
export interface Issue {
  path: string[];
  code?: string;
  message: string;
}

type Named = { __typename?: string };
type NameOf<O extends Named> = NonNullable<O["__typename"]> & string;
/** One function for each outcome. */
export type Cases<O extends Named, R> = {
  [T in NameOf<O>]: (outcome: Extract<O, { __typename?: T }>) => R;
};

/**
 * Do what is to be done for an outcome, by its `__typename`. With a case `otherwise`, not all others are needed.
 *
 * @throws TypeError There is no function for it, as for an outcome that the schema had not yet.
 */
export function match<O extends Named, R>(outcome: O, cases: Cases<O, R>): R;
export function match<O extends Named, R>(
  outcome: O,
  cases: Partial<Cases<O, R>> & { otherwise: (outcome: O) => R },
): R;
export function match(outcome: Named, cases: Record<string, ((outcome: any) => unknown) | undefined>) {
  const name = outcome.__typename ?? "";
  const chosen = (Object.hasOwn(cases, name) && cases[name]) || cases.otherwise;
  if (!chosen) throw new TypeError(`No case for the outcome "${name}".`);
  return chosen(outcome);
}

/**
 * What is wrong with one value of an input; undefined if nothing is.
 *
 * @param path The names that lead to it, such as `title` or `tasks.3.title`.
 */
export function issueOf(outcome: object | null | undefined, path: string): Issue | undefined {
  const { issues = [] } = (outcome ?? {}) as { issues?: readonly Issue[] };
  return issues.find((issue) => issue.path.join(".") === path);
}
