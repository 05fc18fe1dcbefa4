import type { Task, TaskList, TaskPriority } from "@todo-api/client/things";
import { labels as labelsOf, lists as listsOf } from "@todo-api/client/views";
import { useId, useState, type ReactNode } from "react";
import { moveToList, quoted, setPriority } from "../actions";
import { act } from "../acts";
import { useDevice, useThings } from "../device";
import type { Draft } from "./draft";
import { inFull, inWords, isLate, plusDays } from "../due";
import { ruleInput, ruleInWords, type Rule } from "./recurrence";
import { later } from "../later";

const RecurrenceEditor = later(() => import("../RecurrenceEditor"));

const PRIORITIES: Record<TaskPriority, string> = {
  NONE: "None",
  LOW: "Low",
  MEDIUM: "Medium",
  HIGH: "High",
  URGENT: "Urgent",
};

type FieldsProps = { task: Task; draft: Draft; now: string };

export function DetailFields({ task, draft, now }: FieldsProps) {
  const device = useDevice();
  const things = useThings();
  const lists = listsOf(things);
  return (
    <div className="properties">
      <Due task={task} draft={draft} now={now} />
      <Property label="Priority">
        {(id) => (
          <select
            id={id}
            value={task.priority}
            className={`priority ${task.priority.toLowerCase()}`}
            onChange={({ target }) =>
              void setPriority(device, [task], target.value as TaskPriority)
            }
          >
            {Object.entries(PRIORITIES).map(([value, text]) => (
              <option key={value} value={value}>
                {text}
              </option>
            ))}
          </select>
        )}
      </Property>
      {!task.parentId && (
        <Property label="List">
          {(id) => (
            <select
              id={id}
              value={task.listId ?? ""}
              onChange={({ target }) => {
                const list = things.lists.get(target.value) ?? null;
                void moveToList(device, [task], list);
              }}
            >
              <option value="">Inbox</option>
              {lists.map(({ id, name }: TaskList) => (
                <option key={id} value={id}>
                  {name}
                </option>
              ))}
            </select>
          )}
        </Property>
      )}
      <Labels task={task} known={labelsOf(things).map(({ name }) => name)} />
      {!task.parentId && <Repeats task={task} draft={draft} today={now.slice(0, 10)} />}
    </div>
  );
}

function Property({ label, children }: { label: string; children: (id: string) => ReactNode }) {
  const id = useId();
  return (
    <div className="property">
      <label htmlFor={id}>{label}</label>
      <div>{children(id)}</div>
    </div>
  );
}

/** What is typed is saved when the field is left; what is pressed, at once. */
function Due({ task, draft, now }: FieldsProps) {
  const today = now.slice(0, 10);
  const { dueOn, dueTime, recurrence } = task;
  const picks = [
    ["Today", today],
    ["Tomorrow", plusDays(today, 1)],
    ["Next week", plusDays(today, 7)],
  ] as const;

  function pick(day: string | null) {
    draft.drop();
    const rest = day ? {} : { dueTime: null, ...(recurrence && { recurrence: null }) };
    const seenRest = day ? {} : { dueTime, ...(recurrence && { recurrence }) };
    void draft.change({ dueOn: day, ...rest }, { dueOn, ...seenRest });
  }

  function leave() {
    // A series needs its day.
    if (recurrence && draft.value("dueOn") === null) draft.write("dueOn", dueOn);
    draft.save();
  }

  return (
    <Property label="Due">
      {(id) => (
        <>
          <div className="due">
            <input
              id={id}
              type="date"
              max="9999-12-31"
              value={draft.value("dueOn") ?? ""}
              onChange={({ target }) => draft.write("dueOn", target.value || null)}
              onBlur={leave}
            />
            <input
              type="time"
              aria-label="Time"
              value={draft.value("dueTime") ?? ""}
              onChange={({ target }) => {
                draft.write("dueTime", target.value || null);
                if (target.value && !draft.value("dueOn")) draft.write("dueOn", today);
              }}
              onBlur={leave}
            />
          </div>
          {dueOn && (
            <p className={isLate(task, now) && !task.completed ? "late" : "in-words"} title={inFull(dueOn)}>
              {isLate(task, now) && !task.completed && "Overdue: "}
              {inWords(dueOn, dueTime, now)}
            </p>
          )}
          <div className="picks">
            {picks
              .filter(([, day]) => day !== dueOn)
              .map(([text, day]) => (
                <button type="button" key={text} onClick={() => pick(day)}>
                  {text}
                </button>
              ))}
            {dueOn && (
              <button type="button" onClick={() => pick(null)}>
                No date
              </button>
            )}
          </div>
        </>
      )}
    </Property>
  );
}

/** Labels come and go one by one, so that those of another device stay. */
function Labels({ task, known }: { task: Task; known: string[] }) {
  const device = useDevice();
  const [text, setText] = useState("");
  const options = useId();
  const isOn = (label: string) =>
    task.labels.some((each) => each.toLowerCase() === label.toLowerCase());

  function add() {
    const labels = text
      .split(",")
      .map((label) => label.trim())
      .filter((label) => label && !isOn(label));
    setText("");
    if (labels.length === 0) return;
    const says = `Labelled ${quoted(task.title)} ${labels.map((label) => `“${label}”`).join(", ")}`;
    void act(device, "updateTasks", { ids: [task.id], addLabels: labels }, { says });
  }

  const takeOff = (label: string) =>
    act(
      device,
      "updateTasks",
      { ids: [task.id], removeLabels: [label] },
      { says: `Took “${label}” off ${quoted(task.title)}` },
    );

  return (
    <Property label="Labels">
      {(id) => (
        <div className="labels">
          {task.labels.map((label) => (
            <span key={label} className="label">
              {label}
              <button
                type="button"
                aria-label={`Take ${label} off`}
                onClick={() => void takeOff(label)}
              >
                <span aria-hidden="true">×</span>
              </button>
            </span>
          ))}
          <input
            id={id}
            list={options}
            autoComplete="off"
            maxLength={50}
            placeholder="Add a label"
            value={text}
            onChange={({ target }) => setText(target.value)}
            onBlur={add}
            onKeyDown={(event) => {
              if (event.key !== "Enter" || event.nativeEvent.isComposing) return;
              event.preventDefault();
              add();
            }}
          />
          <datalist id={options}>
            {known.filter((label) => !isOn(label)).map((label) => (
              <option key={label} value={label} />
            ))}
          </datalist>
        </div>
      )}
    </Property>
  );
}

type RepeatsProps = { task: Task; draft: Draft; today: string };

function Repeats({ task, draft, today }: RepeatsProps) {
  const { recurrence, dueOn } = task;
  const [isOpen, setOpen] = useState(false);

  function save(rule: Rule | null) {
    setOpen(false);
    const input = rule ? { rule: ruleInput(rule) } : null;
    void draft.change(
      { recurrence: input, ...(rule && !dueOn && { dueOn: today }) },
      { recurrence, ...(rule && !dueOn && { dueOn }) },
    );
  }

  return (
    <>
      <Property label="Repeats">
        {(id) => (
          <button
            type="button"
            id={id}
            className="repeats"
            aria-expanded={isOpen}
            onClick={() => setOpen(!isOpen)}
          >
            {recurrence ? ruleInWords(recurrence) : "Does not repeat"}
          </button>
        )}
      </Property>
      {isOpen && (
        <RecurrenceEditor
          rule={recurrence}
          day={dueOn ?? today}
          onSave={save}
          onClose={() => setOpen(false)}
        />
      )}
    </>
  );
}
