// When tasks are due, for whoever is where the browser is.
import { useSyncExternalStore } from "react";

type Due = { dueOn: string | null; dueTime: string | null };

/** The day and the time here, as `2028-02-29 09:00`: such texts sort by time. */
const moment = () => new Date().toLocaleString("sv").slice(0, 16);

let shown = moment();

function subscribe(listener: () => void) {
  const look = () => {
    if (shown === moment()) return;
    shown = moment();
    listener();
  };
  look();
  const timer = setInterval(look, 5_000);
  // Timers sleep with the machine.
  document.addEventListener("visibilitychange", look);
  return () => {
    clearInterval(timer);
    document.removeEventListener("visibilitychange", look);
  };
}

/** What `moment` says, also on a page that is left open over midnight. */
export const useNow = () => useSyncExternalStore(subscribe, () => shown);

/** The day here; a component that shows it is drawn anew at midnight only. */
export const useToday = () => useSyncExternalStore(subscribe, () => shown.slice(0, 10));

/** The day here. */
export const today = () => moment().slice(0, 10);

/** What is due for a whole day is late when the day is over. */
export function isLate({ dueOn, dueTime }: Due, now: string): boolean {
  return dueOn !== null && `${dueOn} ${dueTime ?? "24:00"}` < now;
}

const DAY = 86_400_000;

/** The day so many days after another. */
export const plusDays = (day: string, days: number) =>
  new Date(Date.parse(day) + days * DAY).toISOString().slice(0, 10);

/** Made once each: making one takes longer than using it a hundred times. */
const formatted = (options: Intl.DateTimeFormatOptions) => {
  const format = new Intl.DateTimeFormat("en-GB", { ...options, timeZone: "UTC" });
  return (day: string) => format.format(Date.parse(day)).replace(",", "");
};

const weekday = formatted({ weekday: "long" });
const shortDate = formatted({ day: "numeric", month: "short" });
const shortDateOfYear = formatted({ day: "numeric", month: "short", year: "numeric" });
const longDate = formatted({ weekday: "long", day: "numeric", month: "long" });

/** A day in words: Yesterday, Today, Tomorrow, a weekday within six days, `12 Dec`, `12 Dec 2028`. */
export function dayInWords(day: string, today: string): string {
  const away = (Date.parse(day) - Date.parse(today)) / DAY;
  if (away === -1) return "Yesterday";
  if (away === 0) return "Today";
  if (away === 1) return "Tomorrow";
  if (away > 1 && away < 7) return weekday(day);
  return day.slice(0, 4) === today.slice(0, 4) ? shortDate(day) : shortDateOfYear(day);
}

/** A day, and its time if there is one, in words. */
export function inWords(dueOn: string, dueTime: string | null, now: string): string {
  const day = dayInWords(dueOn, now.slice(0, 10));
  return dueTime ? `${day} ${dueTime}` : day;
}

/** A day with all that belongs to it: `Friday 29 December 2028`. */
export const inFull = formatted({
  weekday: "long",
  day: "numeric",
  month: "long",
  year: "numeric",
});

/** What `dayInWords` leaves out: `Tuesday 1 December`, after a weekday `2 December`, after a date the weekday. */
export function besideDay(day: string, today: string): string {
  const away = (Date.parse(day) - Date.parse(today)) / DAY;
  if (Math.abs(away) <= 1) return longDate(day);
  return away > 0 && away < 7 ? shortDate(day) : weekday(day);
}
