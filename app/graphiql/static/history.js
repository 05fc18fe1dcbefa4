// The last runs, on this device: document and variables, when, and whether they failed. No headers.
import { textOf } from "./editors.js";
import { storage } from "./storage.js";

const KEY = "history";
const MOST = 50; // Of those without a star.

export function read() {
  try {
    return JSON.parse(storage.getItem(KEY)) ?? [];
  } catch {
    return []; // Somebody has written something else there.
  }
}

export function keep(runs) {
  let left = MOST;
  const kept = runs.filter(({ starred }) => starred || left-- > 0);
  try {
    storage.setItem(KEY, JSON.stringify(kept));
  } catch {
    // The device has no room: nothing depends on it.
  }
}

/** The open tab, as it is being run. */
export function runNow() {
  return { document: textOf("document"), variables: textOf("variables") };
}

/** Note that a tab was run just now, and whether it failed. */
export function note(run, failed) {
  const isSame = (other) => other.document === run.document && other.variables === run.variables;
  const runs = read();
  const starred = runs.some((other) => isSame(other) && other.starred);
  keep([{ ...run, at: Date.now(), failed, starred }, ...runs.filter((other) => !isSame(other))]);
}
