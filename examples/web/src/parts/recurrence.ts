// How a task comes again, in words.
import type { Recurrence } from "@todo-api/client/things";

export type Rule = Omit<Recurrence, "start" | "rrule">;

export const WEEKDAYS = [
  "MONDAY",
  "TUESDAY",
  "WEDNESDAY",
  "THURSDAY",
  "FRIDAY",
  "SATURDAY",
  "SUNDAY",
] as const;

const WORK = WEEKDAYS.slice(0, 5).join();
const REST = WEEKDAYS.slice(5).join();
export const ORDINALS: Record<number, string> = {
  1: "first",
  2: "second",
  3: "third",
  4: "fourth",
  [-1]: "last",
};

const all = new Intl.ListFormat("en");
const place = new Intl.PluralRules("en", { type: "ordinal" });
const SUFFIX: Record<string, string> = { one: "st", two: "nd", few: "rd" };

const capital = (text: string) => text[0] + text.slice(1).toLowerCase();
const nth = (number: number) => `${number}${SUFFIX[place.select(number)] ?? "th"}`;
const monthName = (month: number) =>
  new Date(Date.UTC(2024, month - 1)).toLocaleDateString("en", { month: "long", timeZone: "UTC" });

/** `Every 2 weeks on Monday and Thursday, 5 more`. */
export function ruleInWords(rule: Rule): string {
  const { every, until, remaining } = rule;
  const unit = rule.unit.toLowerCase();
  const times = every === 1 ? unit : `${every} ${unit}s`;
  const ends = [
    until &&
      `until ${new Date(until).toLocaleDateString("en-GB", { day: "numeric", month: "short", year: "numeric", timeZone: "UTC" })}`,
    remaining && (remaining === 1 ? "this is the last" : `${remaining} with this one`),
  ];
  const start =
    rule.from === "COMPLETION"
      ? `${every === 1 ? `A ${unit}` : times} after it is done`
      : isEachWorkday(rule)
        ? "Every weekday"
        : `Every ${times}${dayInMonth(rule)}`;
  return [start, ...ends].filter(Boolean).join(", ");
}

const isEachWorkday = ({ every, unit, weekdays }: Rule) =>
  unit === "WEEK" && every === 1 && weekdays.join() === WORK;

function dayInMonth({ unit, weekdays, ordinal, monthDay, month }: Rule): string {
  const days = weekdaysInWords(weekdays);
  if (unit === "WEEK") return days && ` on ${days}`;
  const ofMonth = month ? ` of ${monthName(month)}` : "";
  if (ordinal) return ` on the ${ORDINALS[ordinal]} ${days}${ofMonth}`;
  if (monthDay) return monthDay === 31 ? ` on the last day${ofMonth}` : ` on the ${nth(monthDay)}${ofMonth}`;
  return month ? ` in ${monthName(month)}` : "";
}

function weekdaysInWords(weekdays: readonly string[]): string {
  if (weekdays.join() === WORK) return "weekday";
  if (weekdays.join() === REST) return "day of the weekend";
  return all.format(weekdays.map(capital));
}

/** What the API takes of a rule: what means nothing beside the rest is left out. */
export function ruleInput(rule: Rule): object {
  const { every, unit, from, until, remaining } = rule;
  const isByCalendar = from === "DUE";
  const isOfMonths = unit === "MONTH" || unit === "YEAR";
  const hasWeekdays = isByCalendar && (unit === "WEEK" || (isOfMonths && rule.ordinal !== null));
  return {
    every,
    unit,
    from,
    weekdays: hasWeekdays && rule.weekdays.length ? rule.weekdays : null,
    ordinal: hasWeekdays && isOfMonths ? rule.ordinal : null,
    monthDay: isByCalendar && isOfMonths && rule.ordinal === null ? rule.monthDay : null,
    month: isByCalendar && unit === "YEAR" ? rule.month : null,
    until,
    remaining,
  };
}
