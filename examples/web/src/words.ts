// What people mean by what they write: days in words, and the signs of the add field.
import type { TaskPriority } from "@todo-api/client/things";
import { dayInWords, plusDays } from "./due";

const MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WEEKDAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
const UNITS: Record<string, number> = { day: 1, week: 7, fortnight: 14 };

const MONTH =
  "(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)";
const WEEKDAY =
  "(?:sun(?:day)?|mon(?:day)?|tues?(?:day)?|wed(?:nesday)?|thu(?:rs?(?:day)?)?|fri(?:day)?|sat(?:urday)?)";

/** Each way to say a day, and which day it is; null where there is no such day. */
const WAYS: [string, (parts: string[], today: string) => string | null][] = [
  ["(\\d{4})-(\\d{2})-(\\d{2})", ([, y, m, d]) => dayOf(+y!, +m!, +d!)],
  ["today|tod", (_, today) => today],
  ["tomorrow|tmrw?", (_, today) => plusDays(today, 1)],
  ["next week", (_, today) => nextWeekday("mon", today)],
  [`(?:next |on )?(${WEEKDAY})`, ([, name], today) => nextWeekday(name!, today)],
  [
    `(?:on )?(\\d{1,2})(?:st|nd|rd|th)? (${MONTH})(?: (\\d{4}))?`,
    ([, d, m, y], today) => dated(d!, m!, y, today),
  ],
  [
    `(?:on )?(${MONTH}) (\\d{1,2})(?:st|nd|rd|th)?(?:,? (\\d{4}))?`,
    ([, m, d, y], today) => dated(d!, m!, y, today),
  ],
  [
    "in (\\d{1,3}|an?|one|two|three) (day|week|fortnight)s?",
    ([, n, unit], today) => plusDays(today, numberOf(n!) * UNITS[unit!]!),
  ],
  ["in (\\d{1,2}|an?|one|two|three) months?", ([, n], today) => plusMonths(today, numberOf(n!))],
  ["in (\\d|an?|one|two|three) years?", ([, n], today) => plusMonths(today, 12 * numberOf(n!))],
];

const TIME = "(?: (?:at )?(?:(\\d{1,2}):(\\d{2})|(\\d{1,2}) ?(am|pm))| at (\\d{1,2}))?";

const PATTERNS = WAYS.map(
  ([way, meaning]) =>
    [
      new RegExp(`(?<![\\p{L}\\p{N}-])(?:${way})(?<time>${TIME})(?![\\p{L}\\p{N}'’:-])`, "giu"),
      meaning,
    ] as const,
);

type Day = { dueOn: string; dueTime: string | null; start: number; end: number };

/** The first day that is named in a text from `from` on; of two at one place the longer. */
function findDay(text: string, today: string, isOff: (words: string) => boolean): Day | null {
  let found: Day | null = null;
  for (const [pattern, meaning] of PATTERNS) {
    for (const match of text.matchAll(pattern)) {
      const [start, end] = [match.index, match.index + match[0].length];
      if (isOff(match[0])) continue;
      if (found && (start > found.start || (start === found.start && end <= found.end))) break;
      const dueOn = meaning(
        match.map((part) => part?.toLowerCase() ?? ""),
        today,
      );
      if (!dueOn) continue;
      found = { dueOn, dueTime: timeOf(match.groups?.time ?? ""), start, end };
      break;
    }
  }
  return found;
}

/** The day that words name, and nothing else: `tomorrow`, `fri`, `12 dec`, `in 3 days`; null if they name none. */
export function parseDay(
  words: string,
  today: string,
): { dueOn: string; dueTime: string | null } | null {
  const text = words.trim();
  const day = findDay(text, today, () => false);
  return day && day.start === 0 && day.end === text.length
    ? { dueOn: day.dueOn, dueTime: day.dueTime }
    : null;
}

export const parseDate = (words: string, today: string) => parseDay(words, today)?.dueOn ?? null;

function timeOf(text: string): string | null {
  const match = new RegExp(`^${TIME}$`, "iu").exec(text);
  if (!match || !text) return null;
  const [, hours, minutes, twelve, half, bare] = match;
  const hour =
    twelve !== undefined
      ? (+twelve % 12) + (half!.toLowerCase() === "pm" ? 12 : 0)
      : +(hours ?? bare)!;
  const minute = +(minutes ?? 0);
  if (hour > 23 || minute > 59 || (twelve !== undefined && +twelve > 12)) return null;
  return `${String(hour).padStart(2, "0")}:${String(minute).padStart(2, "0")}`;
}

const numberOf = (word: string) =>
  ({ a: 1, an: 1, one: 1, two: 2, three: 3 })[word] ?? Number(word);

function dayOf(year: number, month: number, day: number): string | null {
  const text = `${String(year).padStart(4, "0")}-${String(month).padStart(2, "0")}-${String(day).padStart(2, "0")}`;
  const time = Date.parse(text);
  return Number.isNaN(time) || new Date(time).toISOString().slice(0, 10) !== text ? null : text;
}

/** A day without a year is the next such one. */
function dated(day: string, month: string, year: string | undefined, today: string): string | null {
  const number = MONTHS.indexOf(month.slice(0, 3)) + 1;
  if (year) return dayOf(+year, number, +day);
  const thisYear = +today.slice(0, 4);
  for (let after = 0; after < 8; after++) {
    const found = dayOf(thisYear + after, number, +day);
    if (found && found >= today) return found;
  }
  return null;
}

function nextWeekday(name: string, today: string): string {
  const wanted = WEEKDAYS.indexOf(name.slice(0, 3));
  const away = (wanted - new Date(today).getUTCDay() + 7) % 7;
  return plusDays(today, away || 7);
}

/** The same day of a later month, or that month's last. */
function plusMonths(today: string, months: number): string {
  const [year, month, day] = today.split("-").map(Number) as [number, number, number];
  const last = new Date(Date.UTC(year, month + months, 0)).getUTCDate();
  return new Date(Date.UTC(year, month - 1 + months, Math.min(day, last)))
    .toISOString()
    .slice(0, 10);
}

const PRIORITIES: Record<string, TaskPriority> = { "1": "HIGH", "2": "MEDIUM", "3": "LOW" };

/** What was found in the text: `text` as it stands there, `says` as it is to be shown. */
export type Chip = { kind: "list" | "label" | "priority" | "due"; text: string; says: string };

export type Parsed = {
  title: string;
  chips: Chip[];
  listId?: string;
  labels: string[];
  priority?: TaskPriority;
  dueOn?: string;
  dueTime?: string | null;
};

export type Known = {
  lists: readonly { id: string; name: string }[];
  /** Labels in use; others are made by writing them. */
  labels: readonly string[];
  today: string;
  /** Texts of chips that were taken off: they mean nothing. */
  off: ReadonlySet<string>;
};

/** Read a line of the add field. Of lists, priorities and days the first counts, and what else is there stays in the title. */
export function parse(text: string, { lists, labels, today, off }: Known): Parsed {
  const parsed: Parsed = { title: "", chips: [], labels: [] };
  let rest = text;
  const take = (start: number, end: number, chip: Chip) => {
    parsed.chips.push(chip);
    // As long as before, so that the places of what follows stay.
    rest = rest.slice(0, start) + "\0".repeat(end - start) + rest.slice(end);
  };
  for (const { index, 0: sign } of text.matchAll(/(?<=^|\s)[#@!](?=\S)/gu)) {
    const after = text.slice(index + 1);
    const word = /^\S+/u.exec(after)![0];
    if (sign === "!") {
      const priority = PRIORITIES[word];
      if (!priority || parsed.priority || off.has(`!${word}`)) continue;
      parsed.priority = priority;
      take(index, index + 2, {
        kind: "priority",
        text: `!${word}`,
        says: `${priority[0]}${priority.slice(1).toLowerCase()} priority`,
      });
    } else if (sign === "#") {
      const found = parsed.listId ? undefined : named(after, word, lists);
      const written = found && text.slice(index, index + 1 + found.length);
      if (!found || off.has(written!)) continue;
      parsed.listId = found.of.id;
      take(index, index + 1 + found.length, { kind: "list", text: written!, says: found.of.name });
    } else {
      const known = longest(
        after,
        labels.map((name) => ({ name })),
      );
      const length = known?.length ?? word.length;
      const written = text.slice(index, index + 1 + length);
      const label = known?.of.name ?? word;
      if (off.has(written) || label.length > 50 || parsed.labels.length === 20) continue;
      if (!parsed.labels.some((each) => isAlike(each, label))) parsed.labels.push(label);
      take(index, index + 1 + length, { kind: "label", text: written, says: label });
    }
  }
  const day = findDay(rest, today, (words) => off.has(words));
  if (day) {
    Object.assign(parsed, { dueOn: day.dueOn, dueTime: day.dueTime });
    const says = dayInWords(day.dueOn, today);
    take(day.start, day.end, {
      kind: "due",
      text: text.slice(day.start, day.end),
      says: day.dueTime ? `${says} ${day.dueTime}` : says,
    });
  }
  parsed.title = rest.replaceAll("\0", "").replace(/\s+/gu, " ").trim();
  return parsed;
}

const isAlike = (one: string, other: string) => one.toLowerCase() === other.toLowerCase();

type Named<T> = { of: T; length: number } | undefined;

/** The longest name that a text begins with, up to the end of a word. */
function longest<T extends { name: string }>(text: string, things: readonly T[]): Named<T> {
  const of = things
    .filter(
      ({ name }) =>
        isAlike(text.slice(0, name.length), name) && /^(\s|$)/u.test(text.slice(name.length)),
    )
    .sort((one, other) => other.name.length - one.name.length)[0];
  return of && { of, length: of.name.length };
}

/** A list by its whole name, or by a word with which one list alone begins. */
function named<T extends { name: string }>(
  text: string,
  word: string,
  lists: readonly T[],
): Named<T> {
  const whole = longest(text, lists);
  if (whole) return whole;
  const begin = lists.filter(({ name }) => isAlike(name.slice(0, word.length), word));
  return begin.length === 1 ? { of: begin[0]!, length: word.length } : undefined;
}

/** The tasks of a text of several lines: bullets and boxes before them are taken off. */
export function linesOf(text: string): string[] {
  return text
    .split(/\r\n|\r|\n/u)
    .map((line) =>
      line.replace(/^\s*(?:[-*+•·]\s+)?(?:\[[ xX]?\]\s+)?(?:\d{1,3}[.)]\s+)?/u, "").trim(),
    )
    .filter(Boolean);
}
