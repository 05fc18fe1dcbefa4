// What searches is loaded when somebody is about to search, and soon after the list is up.
import { useEffect, useState } from "react";

type Searching = typeof import("@todo-api/client/searching");

/** Milliseconds after which what could not be loaded is tried again. */
const AGAIN = 2_000;

let loaded: Searching | undefined;

export async function loadSearching(): Promise<Searching> {
  return (loaded ??= await import("@todo-api/client/searching"));
}

/** The package's `search`, or undefined until it is there. */
export function useSearching(isWanted: boolean): Searching["search"] | undefined {
  const [searching, setSearching] = useState(loaded);
  useEffect(() => {
    if (!isWanted || searching) return;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const load = () =>
      void loadSearching().then(setSearching, () => (timer = setTimeout(load, AGAIN)));
    load();
    return () => clearTimeout(timer);
  }, [isWanted, searching]);
  return (searching ?? loaded)?.search;
}
