/** Which answers are final, and when to send the same request again after one that is not. */

/** Codes of errors that pass. */
const TEMPORARY = new Set([
  "IDEMPOTENCY_CONCURRENT_REQUEST",
  "INTERNAL_SERVER_ERROR",
  "RATE_LIMITED",
  "REQUEST_TIMEOUT",
  "SERVICE_UNAVAILABLE",
  "TIMEOUT",
]);

/**
 * Whether the same request may be well a little later.
 *
 * @param codes The codes of the errors; undefined where no answer came that is the API's own:
 *   the network failed, or something in between answered with a page.
 */
export function isTemporary(codes: readonly unknown[] | undefined): boolean {
  return codes === undefined || codes.some((code) => TEMPORARY.has(String(code)));
}

/** Whether a request may be sent again though it may have been done: a change needs a key for that. */
export function isRepeatable(kind: string, variables: { [name: string]: any } | void): boolean {
  return kind === "query" || (kind === "mutation" && Boolean(variables?.input?.idempotencyKey));
}

/** The milliseconds that an answer asks to wait; undefined where it does not say. */
export function askedWait(response: Response | undefined): number | undefined {
  return Number(response?.headers.get("retry-after")) * 1000 || undefined;
}

/** Milliseconds to wait after so many failures, from a second to a minute; not all clients as long. */
export function grownWait(failures: number): number {
  return Math.min(1000 * 2 ** (failures - 1), 60_000) * (0.5 + Math.random());
}
