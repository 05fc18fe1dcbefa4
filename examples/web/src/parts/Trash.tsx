import type { Task, Thing } from "@todo-api/client/things";
import { trash as trashOf } from "@todo-api/client/views";
import { useEffect, useState } from "react";
import { act } from "../acts";
import { useDevice, useOutbox, useThings } from "../device";
import { Dialog, DialogHead } from "./Dialog";
import { plusDays } from "../due";
import "./trash.css";

/** Days after which the server removes what is in the trash, unless it is configured otherwise. */
const DAYS_KEPT = 30;
/** How many are drawn at once, and the most that one act may be about. */
const [AT_FIRST, AT_ONCE] = [100, 100];

const nameOf = (thing: Thing) => (thing.kind === "TASK" ? thing.title : thing.name);
const plain = (text: string) =>
  text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();

/** What was deleted, for as long as it is kept. */
export default function Trash({ now }: { now: string }) {
  const device = useDevice();
  const things = useThings();
  const { isOnline } = useOutbox();
  const [words, setWords] = useState("");
  const [limit, setLimit] = useState(AT_FIRST);
  const [asked, setAsked] = useState<Thing[] | "everything">();

  // The server knows better when and what was deleted elsewhere.
  useEffect(() => {
    if (isOnline) device.fetchTrash().catch(() => undefined);
  }, [device, isOnline]);

  const all = trashOf(things);
  const wanted = plain(words).split(/\s+/).filter(Boolean);
  const found = all.filter((thing) => {
    const text = plain(`${nameOf(thing)} ${(thing as Task).description ?? ""}`);
    return wanted.every((word) => text.includes(word));
  });

  if (all.length === 0) return <p className="empty">The trash is empty.</p>;
  return (
    <div className="trash">
      <div className="trash-bar">
        <input
          type="search"
          aria-label="Search the trash"
          placeholder="Search the trash"
          value={words}
          onChange={({ target }) => setWords(target.value)}
        />
        <button type="button" className="danger" onClick={() => setAsked("everything")}>
          Empty the trash
        </button>
      </div>
      <p className="quiet-line">What is here is removed after {DAYS_KEPT} days.</p>
      <ul aria-label="Trash">
        {found.slice(0, limit).map((thing) => (
          <Deleted key={thing.id} thing={thing} now={now} onPurge={() => setAsked([thing])} />
        ))}
      </ul>
      {found.length === 0 && <p className="empty">Nothing in the trash has these words.</p>}
      {found.length > limit && (
        <button type="button" onClick={() => setLimit(limit + AT_FIRST)}>
          Show more
        </button>
      )}
      {asked && <Ask asked={asked} onClose={() => setAsked(undefined)} />}
    </div>
  );
}

type DeletedProps = { thing: Thing; now: string; onPurge: () => void };

function Deleted({ thing, now, onPurge }: DeletedProps) {
  const device = useDevice();
  const things = useThings();
  const name = nameOf(thing);
  const isList = thing.kind === "LIST";
  const parent = !isList && thing.parentId ? things.tasks.get(thing.parentId)?.title : undefined;

  function restore() {
    const operation = isList ? "restoreList" : "restoreTask";
    void act(device, operation, { id: thing.id }, { says: `Restored “${name}”` });
  }

  return (
    <li>
      <div>
        <p>{name}</p>
        <p className="quiet-line">
          {[isList && "List with its tasks", parent && `Subtask of “${parent}”`, daysLeft(thing.deletedAt!, now)]
            .filter(Boolean)
            .join(" · ")}
        </p>
      </div>
      <button type="button" aria-label={`Restore ${name}`} onClick={restore}>
        Restore
      </button>
      {!isList && (
        <button
          type="button"
          className="quiet icon"
          aria-label={`Delete ${name} for good`}
          title="Delete for good"
          onClick={onPurge}
        >
          <svg viewBox="0 0 16 16" aria-hidden="true">
            <path d="m4 4 8 8m0-8-8 8" />
          </svg>
        </button>
      )}
    </li>
  );
}

/** `12 days left`. */
function daysLeft(deletedAt: string, now: string): string {
  const deletedOn = new Date(deletedAt).toLocaleDateString("sv");
  const end = Date.parse(plusDays(deletedOn, DAYS_KEPT));
  const days = Math.max(0, Math.round((end - Date.parse(now.slice(0, 10))) / 86_400_000));
  if (days === 0) return "removed soon";
  return days === 1 ? "1 day left" : `${days} days left`;
}

type AskProps = { asked: Thing[] | "everything"; onClose: () => void };

/** What is removed for good cannot be had again, so it is asked. */
function Ask({ asked, onClose }: AskProps) {
  const device = useDevice();
  const what = asked === "everything" ? "all that is in the trash" : `“${nameOf(asked[0]!)}”`;

  async function purge() {
    onClose();
    if (asked === "everything") {
      await device.outbox.act("emptyTrash", {});
      return;
    }
    for (let start = 0; start < asked.length; start += AT_ONCE) {
      const ids = asked.slice(start, start + AT_ONCE).map(({ id }) => id);
      await device.outbox.act("purgeTasks", { ids });
    }
  }

  return (
    <Dialog label="Delete for good" className="small" onClose={onClose}>
      <DialogHead title="Delete for good?" onClose={onClose} />
      <p>This deletes {what} for good. There is no way back.</p>
      <div className="buttons">
        <button type="button" className="main" onClick={purge}>
          Delete for good
        </button>
        <button type="button" className="quiet" onClick={onClose}>
          Cancel
        </button>
      </div>
    </Dialog>
  );
}
