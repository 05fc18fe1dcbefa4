/** Ids that a client makes, in the server's form: what is not sent yet has its real id already. */

/** Seconds are multiplied by it, to make room for what is random below: 2 to the power of 21. */
const ROOM = 2097152;

/** What a step within the same second is at most, so that windows and devices do not meet. */
const STEP = 1024;

export interface Ids {
  task(): string;
  list(): string;
  /** Go by the server's clock from now on: milliseconds, as the header `Date` of an answer has them. */
  correct(date: number): void;
  /** Make only greater ones than this, made by another window. */
  sawn(id: string): void;
}

/** A maker of ids, each greater than the last. */
export function createIds(): Ids {
  let skew = 0;
  let last = 0;
  const next = () => {
    const made = Math.floor((Date.now() + skew) / 1000) * ROOM + below(ROOM);
    last = made > last ? made : last + 1 + below(STEP);
    return last;
  };
  return {
    task: () => String(next()),
    list: () => `L${next()}`,
    correct(date) {
      const now = date - Date.now();
      // A clock that was wrong by far: what was made by it says nothing of what comes after.
      if (Math.abs(now - skew) > DAY) last = 0;
      skew = now;
    },
    sawn(id) {
      const number = Number(id.replace(/^L/, ""));
      if (number > last && number < (Date.now() + skew + DAY) / 1000 * ROOM) last = number;
    },
  };
}

const DAY = 86_400_000;

function below(limit: number): number {
  return crypto.getRandomValues(new Uint32Array(1))[0]! % limit;
}
