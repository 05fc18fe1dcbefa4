import type { Refused } from "@todo-api/client/outbox";
import type { Recurrence, Task } from "@todo-api/client/things";
import "./conflict.css";
import { useDevice, useThings } from "../device";
import { dayInWords } from "../due";
import { fieldInWords, fieldsInWords } from "./phrases";
import { ruleInWords, type Rule } from "./recurrence";

/** Code points that notes may have. */
const NOTES_MAX = 1000;

type ConflictProps = { refused: Refused; now: string };

/** What was changed here and elsewhere at once, side by side. What only one has changed is merged already. */
export function Conflict({ refused, now }: ConflictProps) {
  const { outbox } = useDevice();
  const things = useThings();
  const { seq, entry } = refused;
  const id = String(entry.input.id);
  const theirs = (refused.current as Task | null | undefined) ?? things.tasks.get(id);
  const named = refused.fields ?? Object.keys(entry.seen ?? {});
  const fields = named.filter((name) => name in entry.input);
  if (!theirs || fields.length === 0) return null;

  const mine = Object.fromEntries(fields.map((name) => [name, entry.input[name]]));
  const both = [theirs.description, mine.description].filter(Boolean).join("\n\n");
  const canBoth = fields.includes("description") && [...both].length <= NOTES_MAX;
  const keep = (values: object) =>
    void outbox.again(seq, { id, ...values, expectedVersion: theirs.version });

  const of = (values: Record<string, unknown>, name: string) =>
    inText(name, values[name], now, things.lists.get(String(values[name]))?.name);

  return (
    <section className="conflict" role="group" aria-label="Changed here and elsewhere">
      <p>
        <strong>Changed here and elsewhere.</strong> Which {fieldsInWords(fields)} shall it be?
      </p>
      {fields.map((name) => (
        <dl key={name} className="sides">
          <div>
            <dt>
              Theirs<span className="only-told">, {fieldInWords(name)}</span>
            </dt>
            <dd>{of(theirs as unknown as Record<string, unknown>, name)}</dd>
          </div>
          <div>
            <dt>
              Mine<span className="only-told">, {fieldInWords(name)}</span>
            </dt>
            <dd>{of(mine, name)}</dd>
          </div>
        </dl>
      ))}
      <div className="buttons">
        <button type="button" className="main" onClick={() => keep(mine)}>
          Keep mine
        </button>
        <button type="button" onClick={() => void outbox.dismiss(seq)}>
          Take theirs
        </button>
        {canBoth && (
          <button type="button" onClick={() => keep({ ...mine, description: both })}>
            Keep both
          </button>
        )}
      </div>
    </section>
  );
}

function inText(name: string, value: unknown, now: string, list?: string): string {
  if (name === "listId") return list ?? "Inbox";
  if (name === "recurrence") {
    const rule = (value as { rule?: Rule } | null)?.rule ?? (value as Recurrence | null);
    return rule ? ruleInWords({ ...rule, weekdays: rule.weekdays ?? [] }) : "does not repeat";
  }
  if (value === null || value === "") return "none";
  if (name === "dueOn") return dayInWords(String(value), now.slice(0, 10));
  if (name === "priority") return String(value).toLowerCase();
  return Array.isArray(value) ? value.join(", ") || "none" : String(value);
}
