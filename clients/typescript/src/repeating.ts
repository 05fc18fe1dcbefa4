/** When and whether a request is sent again. */

/** Milliseconds to wait after so many failures: from a second to a minute, each scattered by half. */
export function grownWait(failures: number): number {
  return Math.min(1000 * 2 ** (failures - 1), 60_000) * (0.5 + Math.random());
}

/** Whether a request may be sent again though it may have been done: a mutation needs a key for that. */
export function isRepeatable(kind: string, variables: { [name: string]: any } | null | void): boolean {
  return kind === "query" || (kind === "mutation" && Boolean(variables?.input?.idempotencyKey));
}
