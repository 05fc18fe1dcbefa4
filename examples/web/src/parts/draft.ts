// What is being written about a task, and is not saved yet.
import type { Task } from "@todo-api/client/things";
import { useEffect, useEffectEvent, useRef, useState } from "react";
import { quoted } from "../actions";
import { act } from "../acts";
import { useDevice } from "../device";

type Texts = Pick<Task, "title" | "description" | "dueOn" | "dueTime">;
type Name = keyof Texts;

export type Draft = ReturnType<typeof useDraft>;

/** It is saved with the values and the version that were seen when it was begun, for merging. */
export function useDraft(task: Task) {
  const device = useDevice();
  const [texts, setTexts] = useState<Partial<Texts>>({});
  const [error, setError] = useState<string>();
  // Beside the state, for events that come before the next drawing.
  const written = useRef<Partial<Texts>>({});
  const seen = useRef<{ values: Partial<Texts>; version: number }>(undefined);

  function write(name: Name, value: string | null) {
    seen.current ??= { values: {}, version: task.version };
    if (!(name in seen.current.values)) seen.current.values[name] = task[name] as never;
    written.current = { ...written.current, [name]: value };
    setTexts(written.current);
    if (name === "title") setError(undefined);
  }

  function drop() {
    written.current = {};
    seen.current = undefined;
    setTexts({});
    setError(undefined);
  }

  function save() {
    const begun = seen.current;
    if (!begun) return;
    const clean = cleaned(written.current);
    if (clean.title === "") {
      drop();
      return setError("A task needs a title, so it keeps the one it had.");
    }
    const names = (Object.keys(clean) as Name[]).filter((name) => clean[name] !== begun.values[name]);
    drop();
    if (names.length === 0) return;
    const pick = (values: Partial<Texts>) =>
      Object.fromEntries(names.map((name) => [name, values[name] ?? null]));
    void change(pick(clean), pick(begun.values), begun.version);
  }

  /** Save values at once, whatever is being written. */
  function change(values: object, seen: object, version = task.version) {
    const input = { id: task.id, ...values, ...(version > 0 && { expectedVersion: version }) };
    return act(device, "updateTask", input, {
      seen,
      says: `Changed ${quoted("title" in values ? String(values.title) : task.title)}`,
    });
  }

  // Whoever goes on to another task by the address has not asked to throw it away.
  const saveLast = useEffectEvent(save);
  useEffect(() => () => saveLast(), []);

  return {
    value: (name: Name) => (name in texts ? texts[name] : task[name]),
    error,
    write,
    save,
    drop,
    change,
  };
}

/** White space around texts means nothing to the server. A time needs a day, and goes with it. */
function cleaned({ title, description, ...rest }: Partial<Texts>): Partial<Texts> {
  return {
    ...(title !== undefined && { title: title.trim() }),
    ...(description !== undefined && { description: description?.trim() || null }),
    ...rest,
    ...(rest.dueOn === null && { dueTime: null }),
  };
}
