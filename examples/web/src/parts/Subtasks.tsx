import type { Task } from "@todo-api/client/things";
import { useRef, useState, type FormEvent, type KeyboardEvent } from "react";
import { addTask, complete, place } from "../actions";
import { useDevice } from "../device";
import { announce } from "../toasts";

/** The most subtasks that a task can have. */
const AT_MOST = 100;

type SubtasksProps = { task: Task; tasks: readonly Task[]; onOpen: (id: string) => void };

export function Subtasks({ task, tasks, onOpen }: SubtasksProps) {
  const device = useDevice();
  const [text, setText] = useState("");
  const list = useRef<HTMLUListElement>(null);
  const done = tasks.filter(({ completed }) => completed).length;

  function add(event: FormEvent) {
    event.preventDefault();
    const title = text.trim();
    if (!title) return;
    setText("");
    void addTask(device, { title, parentId: task.id });
    announce(`Added “${title}”.`);
  }

  /** Alt with an arrow moves a subtask, and the focus goes with it. */
  async function move(event: KeyboardEvent, index: number) {
    const by = event.key === "ArrowUp" ? -1 : event.key === "ArrowDown" ? 1 : 0;
    if (!by || !event.altKey) return;
    event.preventDefault();
    const [moved, other] = [tasks[index]!, tasks[index + by]];
    if (!other) return;
    await place(device, moved, { place: by < 0 ? { before: other.id } : { after: other.id } });
    announce(`${moved.title}, ${index + by + 1} of ${tasks.length}`);
    requestAnimationFrame(() =>
      list.current?.querySelector<HTMLElement>(`[data-task-id="${moved.id}"] .name`)?.focus(),
    );
  }

  return (
    <section className="subtasks" aria-label="Subtasks">
      <h2>
        Subtasks{" "}
        {tasks.length > 0 && (
          <small>
            {done} of {tasks.length}
          </small>
        )}
      </h2>
      {tasks.length > 0 && (
        <ul ref={list} data-list-order="position" aria-label="Subtasks">
          {tasks.map((subtask, index) => (
            <li
              key={subtask.id}
              data-task-id={subtask.id}
              className={subtask.completed ? "done" : undefined}
              onKeyDown={(event) => void move(event, index)}
            >
              <label className="tick">
                <input
                  type="checkbox"
                  aria-label={subtask.title}
                  checked={subtask.completed}
                  onChange={({ target }) => void complete(device, [subtask], target.checked)}
                />
              </label>
              <button
                type="button"
                className="name"
                aria-keyshortcuts="Alt+ArrowUp Alt+ArrowDown"
                onClick={() => onOpen(subtask.id)}
              >
                {subtask.title}
              </button>
            </li>
          ))}
        </ul>
      )}
      {tasks.length < AT_MOST && !task.deletedAt && (
        <form onSubmit={add}>
          <input
            aria-label="Add a subtask"
            placeholder="Add a subtask"
            maxLength={200}
            autoComplete="off"
            value={text}
            onChange={({ target }) => setText(target.value)}
          />
        </form>
      )}
    </section>
  );
}
