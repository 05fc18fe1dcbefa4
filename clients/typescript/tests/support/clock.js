// Time that passes only when a test says so. Import it before what reads the time.

const timers = new Map();
let now = Date.now();
let made = 0;

Date.now = () => now;
globalThis.setTimeout = (work, milliseconds = 0) => {
  made += 1;
  timers.set(made, { work, at: now + milliseconds });
  return made;
};
globalThis.clearTimeout = (timer) => void timers.delete(timer);

/** IndexedDB's events come by immediates, some for each step of a transaction. */
let turns = 80;

/** For tests that keep all in memory, and have little to settle. */
export function settleSoon() {
  turns = 8;
}

/** Let all happen that needs no time. */
export async function settle() {
  for (let turn = 0; turn < turns; turn++) await new Promise(setImmediate);
}

/** Let so many milliseconds pass, from one timer to the next. */
export async function pass(milliseconds) {
  const end = now + milliseconds;
  for (;;) {
    await settle();
    const [timer, next] = [...timers].sort(([, a], [, b]) => a.at - b.at)[0] ?? [];
    if (!next || next.at > end) break;
    timers.delete(timer);
    now = Math.max(now, next.at);
    next.work();
  }
  now = end;
}

/** Milliseconds until the next timer; undefined where there is none. */
export function untilNext() {
  return timers.size ? Math.min(...[...timers.values()].map(({ at }) => at)) - now : undefined;
}

export const time = () => now;

/** Forget all timers, as when a page is closed. */
export function stopTime() {
  timers.clear();
}
