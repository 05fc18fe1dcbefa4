import type { Task } from "@todo-api/client/things";
import { subtasks as subtasksOf } from "@todo-api/client/views";
import { useEffect, useRef, useSyncExternalStore, type KeyboardEvent } from "react";
import { complete, quoted, remove } from "../actions";
import { act } from "../acts";
import { Conflict } from "./Conflict";
import "./detail.css";
import { DetailFields } from "./DetailFields";
import { useDevice, useRefused, useReplica, useThings } from "../device";
import { Dialog } from "./Dialog";
import { Subtasks } from "./Subtasks";
import { useDraft } from "./draft";

type DetailProps = {
  id: string;
  onClose: () => void;
  onOpen: (id: string) => void;
  /** The day and the time here, as `2028-02-29 09:00`. */
  now: string;
};

const wide = matchMedia("(width >= 1100px)");

const useWide = () =>
  useSyncExternalStore(
    (listener) => {
      wide.addEventListener("change", listener);
      return () => wide.removeEventListener("change", listener);
    },
    () => wide.matches,
  );

/** All of a task: beside the list where there is room, else over it. */
export default function Detail({ id, onClose, onOpen, now }: DetailProps) {
  const task = useThings().tasks.get(id);
  const { isFilled } = useReplica();
  const isWide = useWide();
  const pane = useRef<HTMLElement>(null);

  useEffect(() => pane.current?.focus({ preventScroll: true }), [id]);

  if (!task) {
    // Until all is there it may be yet to come.
    return isWide && isFilled ? (
      <aside className="detail" aria-label="Task">
        <p className="gone">There is no such task any more.</p>
        <button type="button" onClick={onClose}>
          Close
        </button>
      </aside>
    ) : null;
  }
  const content = <Content key={id} {...{ task, onClose, onOpen, now }} />;
  return isWide ? (
    <aside className="detail" aria-label={`Task ${task.title}`} tabIndex={-1} ref={pane}>
      {content}
    </aside>
  ) : (
    <Dialog label={`Task ${task.title}`} className="detail sheet" onClose={onClose}>
      {content}
    </Dialog>
  );
}

type ContentProps = Omit<DetailProps, "id"> & { task: Task };

function Content({ task, onClose, onOpen, now }: ContentProps) {
  const device = useDevice();
  const things = useThings();
  const draft = useDraft(task);
  const conflicts = useRefused().filter(
    ({ code, entry }) =>
      code === "VersionConflict" && entry.operation === "updateTask" && entry.input.id === task.id,
  );
  const parent = task.parentId ? things.tasks.get(task.parentId) : undefined;

  function onKeyDown(event: KeyboardEvent) {
    if (event.defaultPrevented) return;
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      draft.save();
    } else if (event.key === "Escape") {
      event.preventDefault();
      draft.drop();
      onClose();
    }
  }

  const restore = () =>
    void act(device, "restoreTask", { id: task.id }, { says: `Restored ${quoted(task.title)}` });

  async function throwAway() {
    draft.drop();
    onClose();
    await remove(device, [task]);
  }

  return (
    // Keys are heard here for all fields inside.
    <div className="detail-content" onKeyDown={onKeyDown}>
      <div className="detail-head">
        {parent ? (
          <button type="button" className="quiet parent" onClick={() => onOpen(parent.id)}>
            <span aria-hidden="true">↰ </span>
            {parent.title}
          </button>
        ) : (
          <span className="parent">{things.lists.get(task.listId ?? "")?.name ?? "Inbox"}</span>
        )}
        {!task.deletedAt && (
          <button
            type="button"
            className="quiet icon"
            aria-label={`Delete ${task.title}`}
            title="Move to the trash"
            onClick={throwAway}
          >
            <svg viewBox="0 0 16 16" aria-hidden="true">
              <path d="M2.5 4h11M6 4V2.5h4V4m2.5 0-.6 9.5H4.1L3.5 4M6.5 7v4m3-4v4" />
            </svg>
          </button>
        )}
        <button type="button" className="quiet icon" aria-label="Close" onClick={onClose}>
          <svg viewBox="0 0 16 16" aria-hidden="true">
            <path d="m4 4 8 8m0-8-8 8" />
          </svg>
        </button>
      </div>

      {conflicts.map((refused) => (
        <Conflict key={refused.seq} refused={refused} now={now} />
      ))}

      {task.deletedAt && (
        <div className="in-trash">
          <p>It is in the trash.</p>
          <button type="button" onClick={restore}>
            Restore
          </button>
        </div>
      )}
      {/* What is in the trash cannot be changed. */}
      <fieldset className="detail-content" disabled={task.deletedAt !== null}>
        <div className={`title-line${task.completed ? " done" : ""}`} data-priority={task.priority}>
          <label className="tick">
            <input
              type="checkbox"
              aria-label={`${quoted(task.title)} is done`}
              checked={task.completed}
              onChange={({ target }) => void complete(device, [task], target.checked)}
            />
          </label>
          <textarea
            className="title"
            aria-label="Title"
            rows={1}
            maxLength={200}
            value={draft.value("title") ?? ""}
            aria-invalid={draft.error !== undefined}
            aria-describedby={draft.error && "title-error"}
            onChange={({ target }) => draft.write("title", target.value.replace(/\n/g, " "))}
            onBlur={draft.save}
            onKeyDown={(event) => {
              if (event.key !== "Enter" || event.nativeEvent.isComposing) return;
              event.preventDefault();
              draft.save();
            }}
          />
        </div>
        {draft.error && (
          <p id="title-error" role="alert" className="error">
            {draft.error}
          </p>
        )}

        <label className="notes">
          <span>Notes</span>
          <textarea
            rows={3}
            maxLength={1000}
            placeholder="Anything that belongs to it"
            value={draft.value("description") ?? ""}
            onChange={({ target }) => draft.write("description", target.value)}
            onBlur={draft.save}
          />
        </label>

        <DetailFields task={task} draft={draft} now={now} />
        {!task.parentId && <Subtasks task={task} tasks={subtasksOf(things, task.id)} onOpen={onOpen} />}
      </fieldset>
      <Dates task={task} />
    </div>
  );
}

const when = (instant: string) =>
  new Date(instant).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "short" });

function Dates({ task: { createdAt, updatedAt, completedAt, deletedAt, version } }: { task: Task }) {
  return (
    <p className="dates">
      Added {when(createdAt)}
      {updatedAt !== createdAt && <>, changed {when(updatedAt)}</>}
      {completedAt && <>, done {when(completedAt)}</>}
      {deletedAt && <>, deleted {when(deletedAt)}</>}
      {version === 0 && <>. Not sent yet</>}.
    </p>
  );
}
