import { useEffect } from "react";
import { useDevice } from "./device";
import { loadParts } from "./later";
import { loadSearching } from "./searching";

/** Milliseconds after which the list is up, and what is less urgent may be loaded. */
const LATER = 800;

/** Load the parts that the list itself does not need, and then have tasks and lists be dragged. */
export function useParts(): void {
  const device = useDevice();
  useEffect(() => {
    let isOver = false;
    let stop = () => {};
    const timer = setTimeout(async () => {
      await loadParts();
      await loadSearching().catch(() => undefined);
      const drag = await import("./drag").catch(() => undefined);
      if (drag && !isOver) stop = drag.startDrag(device);
    }, LATER);
    return () => {
      isOver = true;
      clearTimeout(timer);
      stop();
    };
  }, [device]);
}
