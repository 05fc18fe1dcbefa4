import { useEffect } from "react";
import { useDevice } from "./device";

/** Milliseconds after which the list is up, and what is less urgent may be loaded. */
const LATER = 800;

/** Have tasks and lists be dragged. */
export function useDrag(): void {
  const device = useDevice();
  useEffect(() => {
    let isOver = false;
    let stop = () => {};
    const timer = setTimeout(async () => {
      const { startDrag } = await import("./drag");
      if (!isOver) stop = startDrag(device);
    }, LATER);
    return () => {
      isOver = true;
      clearTimeout(timer);
      stop();
    };
  }, [device]);
}
