/**
 * Places in the order by hand, as the server makes them: digits of 0-9A-Za-z in the order of bytes,
 * read as a fraction. Ours are seen until the server has answered, and never sent.
 */

const DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/** Behind all that was made before: the key that the server makes of a thing's number. */
export function positionOf(id: string): string {
  return `${BigInt(id.replace("L", "")).toString(16).padStart(14, "0")}V`;
}

interface Placed {
  position: string;
}

/** A position between two neighbours. */
export function between([before, behind]: [Placed | undefined, Placed | undefined]): string {
  const [low, high] = [before?.position ?? "", behind?.position];
  if (high === undefined) return low === "" ? "V" : above(low);
  if (low === "") return below(high);
  let key = "";
  let isOpen = false;
  for (let n = 0; ; n++) {
    const from = Math.max(DIGITS.indexOf(low[n] ?? "0"), 0);
    const to: number = isOpen ? DIGITS.length : Math.max(DIGITS.indexOf(high[n] ?? "0"), 0);
    if (to - from > 1) return key + DIGITS[(from + to) >> 1];
    // Siblings that share a position: behind both is near enough until the server has answered.
    if (n > high.length && !isOpen) return `${low}V`;
    key += DIGITS[from];
    isOpen ||= to - from === 1;
  }
}

/** A short step before the first: what is moved there again and again needs few digits. */
function below(high: string): string {
  const last = DIGITS.indexOf(high.at(-1)!);
  return high.slice(0, -1) + (last > 1 ? DIGITS[last - 1] : "0V");
}

/** A short step behind the last. */
function above(low: string): string {
  const last = DIGITS.indexOf(low.at(-1)!);
  return last < DIGITS.length - 1 ? low.slice(0, -1) + DIGITS[last + 1] : `${low}V`;
}
