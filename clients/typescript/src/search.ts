/**
 * The server's rules for searches, on the device: words by their beginnings, in any order, without
 * accents. `tests/search-cases.json` is a table of cases that the tests of both run.
 */

import { PLAIN } from "./letters.js";

/** Accents, points of Arabic and Hebrew, selectors and skin tones, and what nobody sees. */
const DROPPED =
  /\p{Cf}|(?=[\u0300-\u036f\u0591-\u05c7\u0610-\u061a\u0640\u064b-\u065f\u0670\u06d6-\u06ed\u0898-\u089f\u08ca-\u08ff\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe00-\ufe0f\ufb1e\ufe20-\ufe2f\u{1f3fb}-\u{1f3ff}\u{e0100}-\u{e01ef}])[\p{Mn}\p{Me}\p{Lm}\p{Sk}]/gu;
const ASCII = /^[\x00-\x7f]*$/;
/** Signs of scripts without spaces, each of which is a word, with the voicing of kana; and symbols. */
const SIGNS =
  /([\u2e80-\u2fff\u3003-\u9fff\uf900-\ufaff\u{20000}-\u{3ffff}])([\u3099\u309a]?)|((?![\x00-\x7f])[\p{Sm}\p{Sc}\p{So}])/gu;
/** What no word goes on over, but for + and #. */
const APART = String.raw`(?![+#])[\p{P}\p{Z}\p{Cc}\p{Co}\p{Sk}$<=>|~]`;
/** What may stand within a word: `wi-fi`, `o'brien`, `1,000`. */
const WITHIN = "['.,\u00b7-]";
const SEPARATORS = new RegExp(`(?:(?!${WITHIN})${APART})+`, "u");
const JOINERS = new RegExp(WITHIN);
/** + and # belong to the word before them, and are nothing where none is. */
const LOOSE_SIGNS = new RegExp(`(^|${APART})[+#]+`, "gu");
const SIGNS_WITHIN = new RegExp(`[+#]+(?!${APART}|[+#]|$)`, "gu");

/** What texts are compared by. */
export function folded(text: string): string {
  if (ASCII.test(text)) return text.toLowerCase();
  const small = text.normalize("NFKD").replace(DROPPED, "").toLowerCase();
  return small.replace(/[^\x00-\x7f]/gu, (sign) => PLAIN.get(sign) ?? digit(sign) ?? sign);
}

/** The digit that a sign of another script is. These lie in tens, which begin at 0 or at 6 of 16. */
function digit(sign: string): string | undefined {
  if (!/\p{Nd}/u.test(sign)) return undefined;
  const code = sign.codePointAt(0)!;
  const isFirst = /\p{Nd}/u.test(String.fromCodePoint(code & ~15));
  return String((code & 15) - (isFirst ? 0 : 6));
}

/** What is between spaces, and its words: people use few, again and again. */
const known = new Map<string, string>();

/** The words of a text, each behind a space, so that a beginning is found by `includes`. */
export function wordsIn(text: string): string {
  if (known.size > 100_000) known.clear();
  let words = "";
  for (const run of text.split(" ")) {
    let found = known.get(run);
    if (found === undefined) known.set(run, (found = wordsOf(folded(run))));
    words += found;
  }
  return words;
}

function wordsOf(text: string): string {
  const runs = spaced(text).split(SEPARATORS);
  // A word with joiners counts as its parts, and as one.
  const words = runs.map((run) =>
    JOINERS.test(run) ? [...run.split(JOINERS), run.split(JOINERS).join("")].join(" ") : run,
  );
  return ` ${words.join(" ")}`;
}

/** What a task must have to be found: of each word all its parts, or these joined. */
export type Query = { parts: string[]; joined: string }[];

export function queryFor(said: string): Query {
  const words = spaced(folded(said).replace(SIGNS_WITHIN, " ")).split(SEPARATORS);
  return words
    .map((word) => word.split(JOINERS).filter((part) => part !== ""))
    .filter((parts) => parts.length > 0)
    .map((parts) => ({ parts: parts.map((part) => ` ${part}`), joined: ` ${parts.join("")}` }));
}

/** Whether words as `wordsIn` has them are what a query asks for. */
export function isFound(words: string, query: Query): boolean {
  return query.every(
    ({ parts, joined }) => parts.every((part) => words.includes(part)) || words.includes(joined),
  );
}

/** A folded text with a space around each sign that is a word. */
function spaced(text: string): string {
  const apart = ASCII.test(text)
    ? text
    : text.replace(SIGNS, (_, sign = "", voicing = "", symbol = "") => ` ${voicing}${sign}${symbol} `);
  if (!/[+#]/.test(apart)) return apart;
  return apart.replace(/[+#]+/g, "$& ").replace(LOOSE_SIGNS, "$1");
}
