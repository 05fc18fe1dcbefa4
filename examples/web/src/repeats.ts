// Changes that the user may send once more.
import { useRef } from "react";

/** A key for each change: the same again, after an answer that was lost, is the same change. */
export function useKeyFor() {
  const sent = useRef({ as: "", key: "" });
  return (input: object) => {
    const as = JSON.stringify(input);
    if (sent.current.as !== as) sent.current = { as, key: crypto.randomUUID() };
    return sent.current.key;
  };
}
