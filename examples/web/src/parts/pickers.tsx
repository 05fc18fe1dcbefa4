import type { Task, TaskPriority } from "@todo-api/client/things";
import { labels as labelsOf, lists as listsOf } from "@todo-api/client/views";
import { useEffect, useId, useLayoutEffect, useRef, useState, type FormEvent } from "react";
import { moveToList, named, setDue, setPriority } from "../actions";
import { act } from "../acts";
import { useDevice, useThings } from "../device";
import { inFull, plusDays, today as dayHere } from "../due";
import { Options } from "./Options";
import "./pickers.css";
import { parseDay } from "../words";

type Kind = "date" | "labels" | "list" | "priority";

type PickerProps = {
  kind: Kind;
  ids: string[];
  anchor: HTMLElement | null;
  onClose: () => void;
};

const LABELS: Record<Kind, string> = {
  date: "Due date",
  labels: "Labels",
  list: "Move to a list",
  priority: "Priority",
};

/** Beside what it is about: a day, labels, a list or a priority for some tasks. */
export default function Picker({ kind, ids, anchor, onClose }: PickerProps) {
  const things = useThings();
  const tasks = ids.flatMap((id) => things.tasks.get(id) ?? []);
  const popover = useRef<HTMLDivElement>(null);
  const opener = useRef(document.activeElement as HTMLElement | null);

  useLayoutEffect(() => {
    const { current } = popover;
    current!.showPopover();
    place(current!, anchor);
    current!.querySelector<HTMLElement>("[data-first]")?.focus();
    const closed = ({ newState }: ToggleEvent) => newState === "closed" && onClose();
    current!.addEventListener("toggle", closed);
    return () => current!.removeEventListener("toggle", closed);
  }, []);

  // The focus goes back to where it was, unless the row has left and its list has seen to it.
  useEffect(() => {
    const { current } = opener;
    return () => {
      if (document.activeElement === document.body) current?.focus({ preventScroll: true });
    };
  }, []);

  const Content = { date: DatePicker, labels: LabelPicker, list: ListPicker, priority: PriorityPicker }[kind];
  return (
    <div ref={popover} popover="auto" className="picker" role="dialog" aria-label={`${LABELS[kind]} of ${named(tasks)}`}>
      <Content tasks={tasks} onClose={onClose} />
    </div>
  );
}

/** Below what it belongs to, or above where there is no room. */
function place(popover: HTMLElement, anchor: HTMLElement | null) {
  const around = anchor?.getBoundingClientRect();
  const { offsetWidth: width, offsetHeight: height } = popover;
  const [room, gap] = [8, 4];
  const [left, below, above] = around
    ? [around.left, around.bottom + gap, around.top - gap - height]
    : [(innerWidth - width) / 2, (innerHeight - height) / 3, 0];
  const top = below + height > innerHeight - room && above > room ? above : below;
  popover.style.left = `${Math.max(room, Math.min(left, innerWidth - width - room))}px`;
  popover.style.top = `${Math.max(room, Math.min(top, innerHeight - height - room))}px`;
}

type ContentProps = { tasks: Task[]; onClose: () => void };

function DatePicker({ tasks, onClose }: ContentProps) {
  const device = useDevice();
  const [text, setText] = useState("");
  const id = useId();
  const today = dayHere();
  const meant = parseDay(text, today);
  const first = tasks[0]?.dueOn;

  function choose(day: string | null, time?: string | null) {
    onClose();
    void setDue(device, tasks, day, day === null ? null : time);
  }

  function submit(event: FormEvent) {
    event.preventDefault();
    if (meant) choose(meant.dueOn, meant.dueTime ?? undefined);
  }

  const picks = [
    ["Today", today],
    ["Tomorrow", plusDays(today, 1)],
    ["Next week", plusDays(today, 7)],
  ] as const;
  return (
    <form onSubmit={submit}>
      <input
        data-first
        autoComplete="off"
        aria-label="Day in words"
        aria-describedby={id}
        placeholder="fri, 12 dec, in 3 days, …"
        value={text}
        onChange={({ target }) => setText(target.value)}
      />
      <p id={id} className="meant" aria-live="polite">
        {meant
          ? [inFull(meant.dueOn), meant.dueTime].filter(Boolean).join(", ")
          : text
            ? "No day yet"
            : "Write a day, or choose one"}
      </p>
      <div className="options">
        {picks.map(([name, day]) => (
          <button key={name} type="button" aria-pressed={day === first} onClick={() => choose(day)}>
            {name}
            <small>{inFull(day).replace(/ \d{4}$/, "")}</small>
          </button>
        ))}
        <label className="other">
          Another day
          <input
            type="date"
            max="9999-12-31"
            defaultValue={first ?? ""}
            onKeyDown={(event) => {
              if (event.key !== "Enter") return;
              event.preventDefault();
              if (event.currentTarget.value) choose(event.currentTarget.value);
            }}
            onBlur={({ target }) => target.value && target.value !== first && choose(target.value)}
          />
        </label>
        {tasks.some(({ dueOn }) => dueOn) && (
          <button type="button" onClick={() => choose(null)}>
            No date
          </button>
        )}
      </div>
    </form>
  );
}

function ListPicker({ tasks, onClose }: ContentProps) {
  const device = useDevice();
  const lists = listsOf(useThings());
  const current = tasks[0]?.listId ?? null;
  const all = [{ id: "", name: "Inbox", list: null }, ...lists.map((list) => ({ id: list.id, name: list.name, list }))];
  return (
    <Options
      label="List"
      placeholder="Move to …"
      options={all.map(({ id, name }) => ({ id, name, isChosen: id === (current ?? "") }))}
      onChoose={(id) => {
        onClose();
        void moveToList(device, tasks, all.find((each) => each.id === id)!.list);
      }}
    />
  );
}

function PriorityPicker({ tasks, onClose }: ContentProps) {
  const device = useDevice();
  const names = ["Urgent", "High", "Medium", "Low", "None"];
  return (
    <Options
      label="Priority"
      placeholder="Priority"
      options={names.map((name) => ({
        id: name.toUpperCase(),
        name,
        isChosen: tasks[0]?.priority === name.toUpperCase(),
      }))}
      onChoose={(id) => {
        onClose();
        void setPriority(device, tasks, id as TaskPriority);
      }}
    />
  );
}

function LabelPicker({ tasks }: ContentProps) {
  const device = useDevice();
  const known = labelsOf(useThings()).map(({ name }) => name);
  const has = ({ labels }: Task, label: string) =>
    labels.some((each) => each.toLowerCase() === label.toLowerCase());

  function toggle(label: string) {
    const isOnAll = tasks.every((task) => has(task, label));
    const ids = tasks.filter((task) => has(task, label) === isOnAll).map(({ id }) => id);
    const input = isOnAll ? { removeLabels: [label] } : { addLabels: [label] };
    const says = isOnAll ? `Took “${label}” off ${named(tasks)}` : `Labelled ${named(tasks)} “${label}”`;
    void act(device, "updateTasks", { ids, ...input }, { says });
  }

  return (
    <Options
      label="Label"
      placeholder="Label …"
      options={known.map((name) => ({
        id: name,
        name,
        isChosen: tasks.length > 0 && tasks.every((task) => has(task, name)),
      }))}
      onChoose={toggle}
      makes="Make the label"
      isMany
    />
  );
}
