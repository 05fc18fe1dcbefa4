import type { Entry, Refused } from "@todo-api/client/outbox";
import type { Task } from "@todo-api/client/things";
import { useEffect, useState } from "react";
import { useDevice, useEntries, useOutbox, useRefused, useThings } from "../device";
import { Dialog, DialogHead } from "./Dialog";
import { EditAndSend, isText } from "./EditAndSend";
import { openTask } from "../route";
import "./waiting.css";
import { inPhrase, reasonOf, since } from "./phrases";

/** What waits to be sent, and what could not be done. */
export default function Waiting({ onClose }: { onClose: () => void }) {
  const { outbox } = useDevice();
  const { isOnline, isKept } = useOutbox();
  const [entries, refused] = [useEntries(), useRefused()];
  useMinutes();
  return (
    <Dialog label="Waiting" className="waiting" onClose={onClose}>
      <DialogHead title="Waiting" onClose={onClose}>
        {entries.length > 0 && (
          <button type="button" className="main" onClick={() => outbox.sendNow()}>
            Send now
          </button>
        )}
      </DialogHead>
      {!isKept && (
        <p className="note">
          This browser keeps nothing of this page. What waits is lost when the page is closed.
        </p>
      )}
      {entries.length === 0 ? (
        <p className="quiet-line">Nothing waits. All that was done here is on the server.</p>
      ) : (
        <>
          <p className="quiet-line">
            {isOnline ? "It is sent by itself, in this order." : "It is sent when the network is back."}
          </p>
          <ol className="changes" aria-label="Changes that wait">
            {entries.map((entry) => (
              <Unsent key={entry.seq} entry={entry} />
            ))}
          </ol>
        </>
      )}
      {refused.length > 0 && (
        <section aria-labelledby="not-done">
          <h3 id="not-done">Could not be done</h3>
          <ul className="changes">
            {refused.map((each) => (
              <NotDone key={each.seq} refused={each} onLeave={onClose} />
            ))}
          </ul>
        </section>
      )}
    </Dialog>
  );
}

function Unsent({ entry }: { entry: Entry }) {
  const { outbox } = useDevice();
  const words = inPhrase(entry, useThings());
  return (
    <li>
      <div>
        <p>{words}</p>
        <p className="quiet-line">
          {since(entry.at)}
          {entry.tries > 0 && `, tried ${entry.tries === 1 ? "once" : `${entry.tries} times`}`}
        </p>
        {entry.parked && <p className="error">Held back: {entry.parked}</p>}
      </div>
      <button
        type="button"
        className="quiet"
        aria-label={`Throw away: ${words}`}
        onClick={() => void outbox.throwAway(entry.seq)}
      >
        Throw away
      </button>
    </li>
  );
}

function NotDone({ refused, onLeave }: { refused: Refused; onLeave: () => void }) {
  const { outbox } = useDevice();
  const [isEdited, setEdited] = useState(false);
  const { seq, entry, code } = refused;
  const words = inPhrase(entry, useThings());
  const isConflict = code === "VersionConflict" && entry.operation === "updateTask";
  const isDeletion = code === "VersionConflict" && entry.operation === "deleteTask";
  const current = refused.current as Task | null | undefined;

  return (
    <li className="not-done">
      <div>
        <p>{words}</p>
        <p className="error">
          {isDeletion && current
            ? `Changed elsewhere to “${current.title}”. Delete it all the same?`
            : reasonOf(refused)}
        </p>
        <p className="quiet-line">{since(refused.at)}</p>
      </div>
      {isEdited ? (
        <EditAndSend refused={refused} onClose={() => setEdited(false)} />
      ) : (
        <div className="buttons">
          {isConflict && current ? (
            <button
              type="button"
              className="main"
              onClick={() => {
                onLeave();
                openTask(current.id);
              }}
            >
              Compare
            </button>
          ) : isDeletion && current ? (
            <button
              type="button"
              onClick={() =>
                void outbox.again(seq, { id: current.id, expectedVersion: current.version })
              }
            >
              Delete it
            </button>
          ) : isText(entry) ? (
            <button
              type="button"
              aria-label={`Edit and send: ${words}`}
              onClick={() => setEdited(true)}
            >
              Edit and send
            </button>
          ) : (
            <button
              type="button"
              aria-label={`Send again: ${words}`}
              onClick={() => void outbox.again(seq)}
            >
              Send again
            </button>
          )}
          <button
            type="button"
            className="quiet"
            aria-label={`${isDeletion ? "Keep it" : "Dismiss"}: ${words}`}
            onClick={() => void outbox.dismiss(seq)}
          >
            {isDeletion ? "Keep it" : "Dismiss"}
          </button>
        </div>
      )}
    </li>
  );
}

/** Draw again each half minute, for what says how long ago it was. */
function useMinutes() {
  const [, setCount] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => setCount((count) => count + 1), 30_000);
    return () => clearInterval(timer);
  }, []);
}
