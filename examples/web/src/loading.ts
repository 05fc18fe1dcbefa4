/** Milliseconds after which what could not be loaded is tried again. */
const AGAIN = 2_000;

/**
 * Load a part of the program, again and again until it is there.
 *
 * @param failed Told each time that it could not be loaded.
 * @returns What ends that.
 */
export function untilLoaded<Loaded>(
  load: () => Promise<Loaded>,
  take: (loaded: Loaded) => void,
  failed = () => {},
): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let isOver = false;
  const attempt = () =>
    load().then(
      (loaded) => isOver || take(loaded),
      () => {
        if (isOver) return;
        failed();
        timer = setTimeout(attempt, AGAIN);
      },
    );
  void attempt();
  return () => {
    isOver = true;
    clearTimeout(timer);
  };
}
