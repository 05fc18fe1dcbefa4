import { useState, type FormEvent, type KeyboardEvent } from "react";
import { useMutation } from "urql";
import { isUnsent } from "./cache";
import { useConnection } from "./connection";
import { DetailFields, detailsIn, DetailsLine, type Details } from "./Details";
import { today } from "./due";
import { issueOf, sentence } from "./failures";
import { Field } from "./Field";
import {
  DeleteTaskDocument,
  UpdateTaskDocument,
  type TaskFieldsFragment,
} from "./gql/graphql";
import { useKeyFor } from "./repeats";
import type { OnNews } from "./Tasks";

type TaskItemProps = { task: TaskFieldsFragment; now: string; onNews: OnNews };

export function TaskItem({ task, now, onNews }: TaskItemProps) {
  const [editing, setEditing] = useState<"not yet" | "now" | "done">("not yet");
  const [, updateTask] = useMutation(UpdateTaskDocument);
  const [, deleteTask] = useMutation(DeleteTaskDocument);
  const { changes } = useConnection();

  // What may be sent later says what shall be, not what to turn around, and has a key, so as to happen once.
  async function tick() {
    const input = {
      id: task.id,
      completed: !task.completed,
      today: today(),
      idempotencyKey: crypto.randomUUID(),
    };
    const { data, error } = await changes.answerTo(updateTask({ input }), () =>
      onNews(`The change of “${task.title}” is kept, and sent later.`),
    );
    const outcome = data?.updateTask;
    if (error) onNews(sentence(error));
    else if (outcome?.__typename === "Task") {
      onNews(`“${task.title}” is ${outcome.completed ? "completed" : "pending again"}.`);
    } else if (outcome?.__typename === "TaskNotFound") onNews(outcome.message);
  }

  async function remove() {
    const input = {
      id: task.id,
      expectedVersion: task.version,
      idempotencyKey: crypto.randomUUID(),
    };
    const { data, error } = await changes.answerTo(deleteTask({ input }), () =>
      onNews(`The deletion of “${task.title}” is kept, and sent later.`),
    );
    const outcome = data?.deleteTask;
    if (error) onNews(sentence(error));
    else if (outcome?.__typename === "VersionConflict") {
      onNews(`“${outcome.current.title}” has just been changed elsewhere, so it is kept.`);
    } else {
      onNews(`Deleted “${task.title}”.`);
    }
  }

  const unsent = isUnsent(task);
  if (editing === "now") {
    return (
      <li>
        <EditTask task={task} now={now} onNews={onNews} onClose={() => setEditing("done")} />
      </li>
    );
  }
  return (
    <li className="task">
      <label>
        <input type="checkbox" checked={task.completed} disabled={unsent} onChange={tick} />
        <span className="title">{task.title}</span>
      </label>
      {task.description && <p className="description">{task.description}</p>}
      <DetailsLine task={task} now={now} />
      {unsent && <p className="description">Not sent yet</p>}
      <div className="actions">
        <button
          className="quiet"
          aria-label={`Edit ${task.title}`}
          autoFocus={editing === "done"}
          disabled={unsent}
          onClick={() => setEditing("now")}
        >
          Edit
        </button>
        <button
          className="quiet"
          aria-label={`Delete ${task.title}`}
          disabled={unsent}
          onClick={remove}
        >
          Delete
        </button>
      </div>
    </li>
  );
}

type EditTaskProps = TaskItemProps & { onClose: () => void };

type Values = Pick<TaskFieldsFragment, "title" | "description"> & Details;

const NAMES = ["title", "description", "dueOn", "dueTime", "priority", "labels"] as const;

/** The values that are others than before. */
function changed(before: Values, after: Values): Partial<Values> {
  const isOther = (name: keyof Values) =>
    JSON.stringify(after[name]) !== JSON.stringify(before[name]);
  return Object.fromEntries(NAMES.filter(isOther).map((name) => [name, after[name]]));
}

/** Saves only what was seen: if one value is changed here and elsewhere, the user chooses between the two. */
function EditTask({ task, now, onNews, onClose }: EditTaskProps) {
  const [opened] = useState(task);
  const keyFor = useKeyFor();
  const [{ data, error, fetching }, updateTask] = useMutation(UpdateTaskDocument);
  const outcome = data?.updateTask;
  const theirs = outcome?.__typename === "VersionConflict" ? outcome.current : null;

  async function save(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const mine = changed(opened, {
      title: String(form.get("title")),
      description: String(form.get("description")) || null,
      ...detailsIn(form, opened.labels),
    });
    let outcome = await send(mine, (theirs ?? opened).version);
    if (outcome?.__typename === "VersionConflict") {
      const { current } = outcome;
      const isOther = Object.keys(changed(opened, current)).every((name) => !(name in mine));
      // Something else was changed elsewhere: both changes are kept.
      if (isOther) outcome = await send(mine, current.version);
    }
    if (outcome?.__typename === "Task") {
      onNews(`Saved “${outcome.title}”.`);
      onClose();
    } else if (outcome?.__typename === "TaskNotFound") {
      onNews(`“${task.title}” has been deleted elsewhere.`);
    }
  }

  async function send(mine: Partial<Values>, expectedVersion: number) {
    const input = { id: task.id, ...mine, expectedVersion };
    const idempotencyKey = keyFor(input);
    // Not shown before it is saved, nor kept while offline: on a conflict the user is to be asked.
    const { data } = await updateTask(
      { input: { ...input, idempotencyKey } },
      { requestPolicy: "network-only" },
    );
    return data?.updateTask;
  }

  function closeOnEscape({ key }: KeyboardEvent) {
    if (key === "Escape") onClose();
  }

  return (
    <form
      className="edit"
      aria-label={`Edit ${opened.title}`}
      onSubmit={save}
      onKeyDown={closeOnEscape}
    >
      {theirs && (
        <div role="alert" className="conflict">
          <p>While you were editing, this task was changed elsewhere to:</p>
          <blockquote>
            <strong>{theirs.title}</strong> {theirs.description}
            <DetailsLine task={theirs} now={now} />
          </blockquote>
        </div>
      )}
      <Field
        label="Title"
        name="title"
        defaultValue={opened.title}
        autoFocus
        error={issueOf(outcome, "title")}
      />
      <Field
        label="Description"
        name="description"
        multiline
        defaultValue={opened.description ?? ""}
        error={issueOf(outcome, "description")}
      />
      <DetailFields details={opened} outcome={outcome} />
      {error && (
        <p role="alert" className="error">
          {sentence(error)}
        </p>
      )}
      <div className="actions">
        <button className="main" disabled={fetching}>
          {theirs ? "Keep mine" : "Save"}
        </button>
        <button type="button" onClick={onClose}>
          {theirs ? "Take theirs" : "Cancel"}
        </button>
      </div>
    </form>
  );
}
