// The last acts of this window, which can be taken back, the newest first.

export type Done = { key: string; says: string; toast?: number };

const AT_MOST = 10;

let acts: readonly Done[] = [];

/** Remember an act. One whose entry was merged into a later one is taken back with it. */
export function remember(done: Done): void {
  acts = [...acts.filter(({ key }) => key !== done.key), done].slice(-AT_MOST);
}

/** Take this act off the list, or the newest one, to be taken back. */
export function take(key: string | undefined = acts.at(-1)?.key): Done | undefined {
  const done = acts.find((each) => each.key === key);
  acts = acts.filter((each) => each !== done);
  return done;
}

/** Nothing of what was done can be taken back here any more. */
export function clearActs(): void {
  acts = [];
}
