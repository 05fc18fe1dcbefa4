import { useState, type FormEvent } from "react";
import "./recurrence.css";
import { ORDINALS, ruleInWords, WEEKDAYS, type Rule } from "./parts/recurrence";

type EditorProps = {
  rule: Rule | null;
  /** The first day of the series: when the task is due. */
  day: string;
  onSave: (rule: Rule | null) => void;
  onClose: () => void;
};

const UNITS = { DAY: "days", WEEK: "weeks", MONTH: "months", YEAR: "years" };
const WORK = WEEKDAYS.slice(0, 5).join();
const REST = WEEKDAYS.slice(5).join();
const NEW: Rule = {
  unit: "WEEK",
  every: 1,
  weekdays: [],
  ordinal: null,
  monthDay: null,
  month: null,
  from: "DUE",
  until: null,
  remaining: null,
};

const weekdayOf = (day: string) => WEEKDAYS[(new Date(day).getUTCDay() + 6) % 7]!;
const capital = (text: string) => text[0] + text.slice(1).toLowerCase();

/** How a task comes again: no more than the API takes, and what it means in words. */
export default function RecurrenceEditor({ rule: first, day, onSave, onClose }: EditorProps) {
  const [rule, setRule] = useState<Rule>(first ?? NEW);
  const [ends, setEnds] = useState(rule.until ? "day" : rule.remaining ? "count" : "never");
  const change = (part: Partial<Rule>) => setRule({ ...rule, ...part });
  const isOfMonths = rule.unit === "MONTH" || rule.unit === "YEAR";
  const isByCalendar = rule.from === "DUE";
  const choice = rule.ordinal !== null ? "ordinal" : rule.monthDay !== null ? "day" : "due";

  function save(event: FormEvent) {
    event.preventDefault();
    onSave({
      ...rule,
      until: ends === "day" ? rule.until : null,
      remaining: ends === "count" ? rule.remaining : null,
    });
  }

  function toggle(weekday: string) {
    const others = rule.weekdays.filter((each) => each !== weekday);
    const chosen = others.length < rule.weekdays.length ? others : [...others, weekday];
    change({ weekdays: WEEKDAYS.filter((each) => chosen.includes(each)) });
  }

  function choose(what: string) {
    const start = new Date(day);
    if (what === "ordinal") {
      const week = Math.ceil(start.getUTCDate() / 7);
      change({ ordinal: week > 4 ? -1 : week, weekdays: [weekdayOf(day)], monthDay: null });
    } else {
      const monthDay = what === "day" ? start.getUTCDate() : null;
      change({ ordinal: null, weekdays: [], monthDay });
    }
  }

  return (
    <form className="recurrence" aria-label="How it repeats" onSubmit={save}>
      <div className="together">
        <label>
          Every
          <input
            type="number"
            min={1}
            max={999}
            required
            autoFocus
            value={rule.every || ""}
            onChange={({ target }) => change({ every: target.valueAsNumber || 0 })}
          />
        </label>
        <select
          aria-label="Unit"
          value={rule.unit}
          onChange={({ target }) =>
            change({ unit: target.value as Rule["unit"], weekdays: [], ordinal: null, monthDay: null, month: null })
          }
        >
          {Object.entries(UNITS).map(([unit, text]) => (
            <option key={unit} value={unit}>
              {rule.every === 1 ? text.slice(0, -1) : text}
            </option>
          ))}
        </select>
      </div>

      <fieldset className="together">
        <legend>Counted from</legend>
        {(["DUE", "COMPLETION"] as const).map((from) => (
          <label key={from} className="choice">
            <input
              type="radio"
              name="from"
              checked={rule.from === from}
              onChange={() => change({ from })}
            />
            {from === "DUE" ? "the calendar" : "when it is done"}
          </label>
        ))}
      </fieldset>

      {isByCalendar && rule.unit === "WEEK" && (
        <fieldset className="weekdays">
          <legend>On</legend>
          {WEEKDAYS.map((weekday) => (
            <label key={weekday}>
              <input
                type="checkbox"
                aria-label={capital(weekday)}
                checked={rule.weekdays.includes(weekday) || (!rule.weekdays.length && weekday === weekdayOf(day))}
                onChange={() => toggle(weekday)}
              />
              <span aria-hidden="true">{capital(weekday).slice(0, 2)}</span>
            </label>
          ))}
        </fieldset>
      )}

      {isByCalendar && isOfMonths && (
        <div className="together">
          <label>
            On
            <select value={choice} onChange={({ target }) => choose(target.value)}>
              <option value="due">the day it is due</option>
              <option value="day">a day of the month</option>
              <option value="ordinal">a weekday of the month</option>
            </select>
          </label>
          {choice === "day" && (
            <input
              type="number"
              aria-label="Day of the month"
              min={1}
              max={31}
              required
              value={rule.monthDay || ""}
              onChange={({ target }) => change({ monthDay: target.valueAsNumber || 0 })}
            />
          )}
          {choice === "ordinal" && (
            <>
              <select
                aria-label="Which"
                value={rule.ordinal!}
                onChange={({ target }) => change({ ordinal: Number(target.value) })}
              >
                {[1, 2, 3, 4, -1].map((number) => (
                  <option key={number} value={number}>
                    {ORDINALS[number]}
                  </option>
                ))}
              </select>
              <select
                aria-label="Weekday"
                value={rule.weekdays.join()}
                onChange={({ target }) => change({ weekdays: target.value.split(",") })}
              >
                {WEEKDAYS.map((weekday) => (
                  <option key={weekday} value={weekday}>
                    {capital(weekday)}
                  </option>
                ))}
                <option value={WORK}>weekday</option>
                <option value={REST}>day of the weekend</option>
              </select>
            </>
          )}
        </div>
      )}

      <div className="together">
        <label>
          Ends
          <select value={ends} onChange={({ target }) => setEnds(target.value)}>
            <option value="never">never</option>
            <option value="day">on a day</option>
            <option value="count">after a number</option>
          </select>
        </label>
        {ends === "day" && (
          <input
            type="date"
            aria-label="Last day"
            required
            min={day}
            value={rule.until ?? ""}
            onChange={({ target }) => change({ until: target.value || null })}
          />
        )}
        {ends === "count" && (
          <input
            type="number"
            aria-label="How many, with this one"
            min={1}
            max={9999}
            required
            value={rule.remaining ?? ""}
            onChange={({ target }) => change({ remaining: target.valueAsNumber || null })}
          />
        )}
      </div>

      <p role="status" className="in-words">
        {ruleInWords({
          ...rule,
          until: ends === "day" ? rule.until : null,
          remaining: ends === "count" ? rule.remaining : null,
        })}
      </p>
      <div className="buttons">
        <button className="main">Save</button>
        {first && (
          <button type="button" onClick={() => onSave(null)}>
            Does not repeat
          </button>
        )}
        <button type="button" className="quiet" onClick={onClose}>
          Cancel
        </button>
      </div>
    </form>
  );
}
