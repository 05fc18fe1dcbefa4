// When tasks are due, for whoever is where the browser is.
import { useEffect, useState } from "react";

type Due = { dueOn: string | null; dueTime: string | null };

/** The day and the time here, as `2028-02-29 09:00`: such texts sort by time. */
const moment = () => new Date().toLocaleString("sv").slice(0, 16);

/** What `moment` says, also when a page is left open. */
export function useMoment() {
  const [now, setNow] = useState(moment);
  useEffect(() => {
    const timer = setInterval(() => setNow(moment()), 10_000);
    return () => clearInterval(timer);
  }, []);
  return now;
}

/** The day here. */
export const today = () => moment().slice(0, 10);

/** What is due for a whole day is late when the day is over. */
export function isLate({ dueOn, dueTime }: Due, now: string): boolean {
  return dueOn !== null && `${dueOn} ${dueTime ?? "24:00"}` < now;
}

const near = new Intl.RelativeTimeFormat("en", { numeric: "auto" });

/** In short: `today 09:00`, `yesterday`, `29 Feb`, `29 Feb 2028`. */
export function shortly({ dueOn, dueTime }: Due & { dueOn: string }, now: string) {
  const today = now.slice(0, 10);
  const away = (Date.parse(dueOn) - Date.parse(today)) / 86_400_000;
  const day =
    Math.abs(away) <= 1
      ? near.format(away, "day")
      : new Date(dueOn).toLocaleDateString("en-GB", {
          day: "numeric",
          month: "short",
          year: dueOn.slice(0, 4) === today.slice(0, 4) ? undefined : "numeric",
          timeZone: "UTC",
        });
  return dueTime ? `${day} ${dueTime}` : day;
}
