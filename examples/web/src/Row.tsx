// One task of a list.
import type { Task } from "@todo-api/client/things";
import {
  memo,
  useRef,
  useState,
  type KeyboardEvent,
  type MouseEvent,
  type PointerEvent,
} from "react";
import { inFull, inWords, isLate } from "./due";
import { Icon } from "./icons";
import { currentRoute, hrefOf } from "./route";

/** What a row asks of the list that it is in; the same object for as long as the list is shown. */
export type RowActs = {
  /** The row that Tab leads to from now on. */
  current(id: string): void;
  focus(id: string): void;
  select(id: string, how: "one" | "through"): void;
  tick(task: Task, completed: boolean, isByKey: boolean): Promise<void>;
  remove(task: Task): void;
  edit(id: string | null): void;
  rename(task: Task, title: string): void;
  open(id: string): void;
  swipe(id: string | null): void;
};

type RowProps = {
  task: Task;
  isSub: boolean;
  /** Whether Tab leads to this row of the list. */
  isCurrent: boolean;
  isSelected: boolean;
  isEditing: boolean;
  isSwiped: boolean;
  /** The name of its list, where the view has tasks of several. */
  listName: string | undefined;
  subtasks: { total: number; done: number } | undefined;
  now: string;
  /** Whether a heading says already on which day it is due. */
  isDaySaid: boolean;
  position: number;
  of: number;
  acts: RowActs;
};

/** Milliseconds in which a click may become a double click. */
const SECOND_CLICK = 220;

export const Row = memo(function Row(props: RowProps) {
  const { task, isSub, isCurrent, isSelected, isEditing, isSwiped, position, of, acts } = props;
  // Shown at once; the queue has it some milliseconds later.
  const [wanted, want] = useState<boolean | null>(null);
  const isDone = wanted ?? task.completed;
  const waiting = useRef<ReturnType<typeof setTimeout>>(undefined);

  async function tick({ nativeEvent }: { nativeEvent: Event }) {
    want(!isDone);
    await acts
      .tick(task, !isDone, (nativeEvent as globalThis.MouseEvent).detail === 0)
      .finally(() => want(null));
  }

  function click(event: MouseEvent) {
    if (event.ctrlKey || event.metaKey || event.shiftKey) {
      event.preventDefault();
      acts.select(task.id, event.shiftKey ? "through" : "one");
    }
  }

  function open(event: MouseEvent) {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    clearTimeout(waiting.current);
    if (event.detail > 1) acts.edit(task.id);
    // What opens would be under the second click of a mouse, or take the focus from what that begins.
    else if ((event.nativeEvent as globalThis.PointerEvent).pointerType !== "mouse")
      acts.open(task.id);
    else waiting.current = setTimeout(acts.open, SECOND_CLICK, task.id);
  }

  const swipe = useSwipe((isOpen) => acts.swipe(isOpen ? task.id : null));
  const name = [
    "row",
    isSub && "sub",
    isDone && "done",
    isSelected && "selected",
    isSwiped && "swiped",
  ];
  return (
    <div
      role="listitem"
      className={name.filter(Boolean).join(" ")}
      data-task-id={task.id}
      data-priority={task.priority}
      aria-setsize={of}
      aria-posinset={position}
      onClick={click}
      {...swipe}
    >
      <label className="tick">
        <input
          type="checkbox"
          checked={isDone}
          aria-label={task.title}
          aria-description={isSelected ? "selected" : undefined}
          tabIndex={isCurrent ? 0 : -1}
          onChange={tick}
          onFocus={() => acts.current(task.id)}
        />
      </label>
      {isEditing ? (
        <EditTitle task={task} acts={acts} />
      ) : (
        <div className="what">
          <a
            className="title"
            href={hrefOf(currentRoute().view, task.id)}
            tabIndex={-1}
            draggable={false}
            onClick={open}
          >
            {task.title}
          </a>
          <QuietLine {...props} />
        </div>
      )}
      <div className="acts">
        <button
          type="button"
          className="icon-button"
          tabIndex={-1}
          aria-label={`Edit ${task.title}`}
          onClick={() => acts.edit(task.id)}
        >
          <Icon name="edit" />
        </button>
        <button
          type="button"
          className="icon-button"
          tabIndex={-1}
          aria-label={`Delete ${task.title}`}
          onClick={() => acts.remove(task)}
        >
          <Icon name="trash" />
        </button>
      </div>
    </div>
  );
});

const PRIORITIES = { NONE: "", LOW: "Low", MEDIUM: "Medium", HIGH: "High", URGENT: "Urgent" };

/** What there is besides the title, in one line. */
function QuietLine({ task, listName, subtasks, now, isDaySaid }: RowProps) {
  const { dueOn, dueTime, labels, priority, recurrence, description } = task;
  const late = !task.completed && isLate(task, now);
  // Beside the heading of its day there is only the time to be said.
  const due = dueOn && (isDaySaid ? dueTime : inWords(dueOn, dueTime, now));
  if (
    !due &&
    !recurrence &&
    !listName &&
    !subtasks &&
    !labels.length &&
    priority === "NONE" &&
    !description
  )
    return null;
  return (
    <p className="quiet-line">
      {dueOn && due && (
        <time
          className={late ? "late" : undefined}
          dateTime={dueTime ? `${dueOn} ${dueTime}` : dueOn}
          title={inFull(dueOn)}
        >
          {late && "Overdue: "}
          {due}
          <span className="only-told">, {inFull(dueOn)}</span>
        </time>
      )}
      {recurrence && <Icon name="repeat" label="repeats" />}
      {priority !== "NONE" && <span className="priority">{PRIORITIES[priority]}</span>}
      {listName && <span>{listName}</span>}
      {subtasks && (
        <span>
          {subtasks.done} of {subtasks.total}
        </span>
      )}
      {labels.map((label) => (
        <span key={label} className="label">
          {label}
        </span>
      ))}
      {description && <Icon name="notes" label="has notes" />}
    </p>
  );
}

/** The most signs that a title may have, counted as the server counts. */
export const TITLE_LENGTH = 200;

function EditTitle({ task, acts }: { task: Task; acts: RowActs }) {
  const [title, setTitle] = useState(task.title);
  const isOver = useRef(false);
  const isTooLong = [...title.trim()].length > TITLE_LENGTH;

  function end(isKept: boolean, isFocused: boolean) {
    if (isOver.current || (isKept && isTooLong)) return;
    isOver.current = true;
    if (isKept && title.trim() && title.trim() !== task.title) acts.rename(task, title.trim());
    acts.edit(null);
    if (isFocused) acts.focus(task.id);
  }

  function press(event: KeyboardEvent) {
    if (event.nativeEvent.isComposing) return;
    if (event.key === "Enter" || event.key === "Escape") {
      event.preventDefault();
      event.stopPropagation();
      end(event.key === "Enter", true);
    }
  }

  return (
    <div className="what editing">
      <input
        className="title-field"
        aria-label="Title"
        aria-invalid={isTooLong}
        aria-describedby={isTooLong ? "too-long" : undefined}
        autoComplete="off"
        autoFocus
        value={title}
        onChange={({ target }) => setTitle(target.value)}
        onKeyDown={press}
        onBlur={() => end(true, false)}
      />
      {isTooLong && (
        <p id="too-long" role="alert" className="error">
          At most {TITLE_LENGTH} characters.
        </p>
      )}
    </div>
  );
}

/** Pixels after which a touch that goes sideways shows what can be done with a row. */
const FAR = 40;

function useSwipe(onSwipe: (isOpen: boolean) => void) {
  const start = useRef<{ x: number; y: number } | null>(null);
  return {
    onPointerDown: ({ pointerType, clientX, clientY }: PointerEvent) => {
      start.current = pointerType === "touch" ? { x: clientX, y: clientY } : null;
    },
    onPointerMove: ({ clientX, clientY }: PointerEvent) => {
      if (!start.current) return;
      const [x, y] = [clientX - start.current.x, clientY - start.current.y];
      if (Math.abs(y) > FAR) start.current = null;
      else if (Math.abs(x) > FAR) {
        start.current = null;
        onSwipe(x < 0);
      }
    },
    onPointerUp: () => {
      start.current = null;
    },
  };
}
