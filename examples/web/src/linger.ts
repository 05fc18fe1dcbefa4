// What was completed a moment ago: it stays in its place, struck out, before it leaves.
import { useSyncExternalStore } from "react";

/** Milliseconds that it stays. */
const STAYS = 3_000;

let ids: ReadonlySet<string> = new Set();
const listeners = new Set<() => void>();

function become(next: ReadonlySet<string>) {
  ids = next;
  for (const listener of listeners) listener();
}

/** Have tasks stay in sight for a while. */
export function linger(some: readonly string[]) {
  become(new Set([...ids, ...some]));
  setTimeout(() => {
    const left = new Set(ids);
    for (const id of some) left.delete(id);
    become(left);
  }, STAYS);
}

function subscribe(listener: () => void) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export const useLingering = () => useSyncExternalStore(subscribe, () => ids);
