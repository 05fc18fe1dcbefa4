import type { Task } from "@todo-api/client/things";
import { completed as completedOf } from "@todo-api/client/views";
import { useState } from "react";
import { complete } from "../actions";
import { useDevice, useThings } from "../device";
import { dayInWords, inFull, useToday } from "../due";
import "./trash.css";

/** How many are drawn at once. */
const AT_ONCE = 100;

/** What is done, the newest first, by the day on which it was done. */
export default function Completed({ onOpen }: { onOpen: (id: string) => void }) {
  const device = useDevice();
  const things = useThings();
  const today = useToday();
  const [limit, setLimit] = useState(AT_ONCE);
  const all = completedOf(things);
  const days = [...Map.groupBy(all.slice(0, limit), dayOf)].sort(([one], [other]) => (one < other ? 1 : -1));

  if (all.length === 0) return <p className="empty">Nothing completed yet.</p>;
  return (
    <div className="completed">
      {days.map(([day, tasks]) => (
        <section key={day} aria-labelledby={`done-${day}`}>
          <h2 id={`done-${day}`} title={day && inFull(day)}>
            {day ? dayInWords(day, today) : "Some time"}
          </h2>
          <ul>
            {tasks.map((task) => (
              <li key={task.id}>
                <label className="tick">
                  <input
                    type="checkbox"
                    aria-label={task.title}
                    checked
                    onChange={() => void complete(device, [task], false)}
                  />
                </label>
                <button type="button" className="name" onClick={() => onOpen(task.id)}>
                  {task.title}
                </button>
                {task.listId && (
                  <span className="quiet-line">{things.lists.get(task.listId)?.name}</span>
                )}
              </li>
            ))}
          </ul>
        </section>
      ))}
      {all.length > limit && (
        <button type="button" onClick={() => setLimit(limit + AT_ONCE)}>
          Show more
        </button>
      )}
    </div>
  );
}

const dayOf = ({ completedOn, completedAt }: Task) =>
  completedOn ?? (completedAt ? new Date(completedAt).toLocaleDateString("sv") : "");
