// What searches is loaded when somebody is about to search, and soon after the list is up.
import { useEffect, useState } from "react";
import { untilLoaded } from "./loading";

type Searching = typeof import("@todo-api/client/searching");

let loaded: Searching | undefined;

export async function loadSearching(): Promise<Searching> {
  return (loaded ??= await import("@todo-api/client/searching"));
}

/** The package's `search`, or undefined until it is there. */
export function useSearching(isWanted: boolean): Searching["search"] | undefined {
  const [searching, setSearching] = useState(loaded);
  useEffect(() => {
    if (!isWanted || searching) return;
    return untilLoaded(loadSearching, setSearching);
  }, [isWanted, searching]);
  return (searching ?? loaded)?.search;
}
