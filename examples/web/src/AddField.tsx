// One line that is always there: what is to be done, with list, labels, priority and day in words.
import {
  useEffect,
  useMemo,
  useRef,
  useState,
  type ClipboardEvent,
  type FormEvent,
  type KeyboardEvent,
} from "react";
import { addTask, addTasks, quoted, type NewTask } from "./actions";
import { useCommand } from "./commands";
import { useDevice } from "./device";
import { useToday } from "./due";
import { Icon } from "./icons";
import { later } from "./later";
import { untilLoaded } from "./loading";
import type { View } from "./route";
import { TITLE_LENGTH } from "./Row";
import type { Counts } from "./shown";
import { announce } from "./toasts";
import type { Parsed } from "./words";

const Pasted = later(() => import("./parts/Pasted"));

type AddFieldProps = { view: View; lists: readonly { id: string; name: string }[]; counts: Counts };

const NOTHING: ReadonlySet<string> = new Set();

/** What reads the words comes a moment after the field: until then a line is a title. */
function useWords() {
  const [words, setWords] = useState<typeof import("./words")>();
  useEffect(() => untilLoaded(() => import("./words"), setWords), []);
  return words;
}

const asTitle = (text: string): Parsed => ({ title: text.trim(), chips: [], labels: [] });

export function AddField({ view, lists, counts }: AddFieldProps) {
  const device = useDevice();
  const today = useToday();
  const field = useRef<HTMLInputElement>(null);
  const [text, setText] = useState("");
  const [off, setOff] = useState(NOTHING);
  const [pasted, setPasted] = useState<string[]>([]);
  const [wrong, setWrong] = useState("");
  const words = useWords();
  const { title, chips, ...found } = useMemo(() => {
    const labels = counts.labels.map(({ name }) => name);
    return words ? words.parse(text, { lists, labels, today, off }) : asTitle(text);
  }, [words, text, lists, counts, today, off]);
  const lasting = ofView(view, today);
  useCommand("add", () => field.current?.focus());

  function empty() {
    setText("");
    setOff(NOTHING);
    setWrong("");
  }

  async function submit(event: FormEvent) {
    event.preventDefault();
    if (!text.trim()) return;
    if (!title) return setWrong("It has no title yet.");
    if ([...title].length > TITLE_LENGTH)
      return setWrong(`A title has at most ${TITLE_LENGTH} characters.`);
    const labels = [...new Set([...(lasting.labels ?? []), ...found.labels])];
    const task = { ...lasting, ...found, title, labels };
    empty();
    announce(`Added ${title}`);
    const isSeen = isIn(view, task, today);
    const list = lists.find(({ id }) => id === task.listId)?.name ?? "Inbox";
    const id = await addTask(
      device,
      task,
      isSeen ? undefined : `Added ${quoted(title)} to ${list}`,
    );
    if (isSeen) requestAnimationFrame(() => reveal(id));
  }

  function paste(event: ClipboardEvent) {
    const lines = words?.linesOf(event.clipboardData.getData("text/plain"));
    if (!lines || lines.length < 2) return;
    event.preventDefault();
    setPasted(lines);
  }

  function endPaste() {
    setPasted([]);
    field.current?.focus();
  }

  async function addPasted() {
    endPaste();
    await addTasks(
      device,
      pasted.map((line) => ({ ...lasting, ...shortened(line) })),
    );
  }

  function press({ key, nativeEvent }: KeyboardEvent) {
    if (key !== "Escape" || nativeEvent.isComposing) return;
    if (pasted.length) endPaste();
    else if (text) empty();
    else field.current?.blur();
  }

  return (
    <form className="add" onSubmit={submit} onKeyDown={press}>
      <div className="add-line">
        <Icon name="plus" />
        <input
          ref={field}
          name="title"
          aria-label="What is to be done?"
          placeholder="What is to be done?"
          title="#list, @label, !1 to !3, and days in words, such as tomorrow or 12 dec"
          aria-invalid={Boolean(wrong)}
          aria-describedby={wrong ? "add-wrong" : undefined}
          autoComplete="off"
          enterKeyHint="done"
          value={text}
          onChange={({ target }) => (setText(target.value), setWrong(""))}
          onPaste={paste}
        />
        {text && <button className="main">Add</button>}
      </div>
      {wrong && (
        <p id="add-wrong" role="alert" className="error">
          {wrong}
        </p>
      )}
      {chips.length > 0 && (
        <ul className="chips" aria-label="Understood as">
          {chips.map(({ kind, text: written, says }) => (
            <li key={written}>
              <button
                type="button"
                className={`chip ${kind}`}
                aria-label={`Take off ${says}`}
                title="Not meant so"
                onClick={() => {
                  setOff(new Set([...off, written]));
                  field.current?.focus();
                }}
              >
                {says} <Icon name="close" />
              </button>
            </li>
          ))}
        </ul>
      )}
      {pasted.length > 0 && (
        <Pasted
          lines={pasted}
          onAdd={() => void addPasted()}
          onOneLine={() => {
            setText(`${text} ${pasted.join(" ")}`.trim());
            endPaste();
          }}
          onCancel={endPaste}
        />
      )}
    </form>
  );
}

/** What a task has that is added while a view is shown. */
function ofView(view: View, today: string): NewTask {
  if (view.name === "list") return { listId: view.id };
  if (view.name === "today") return { dueOn: today };
  if (view.name === "label") return { labels: [view.label] };
  return {};
}

function isIn(view: View, { listId, dueOn, labels }: NewTask, today: string): boolean {
  if (view.name === "inbox") return !listId;
  if (view.name === "list") return listId === view.id;
  if (view.name === "today") return Boolean(dueOn) && dueOn! <= today;
  if (view.name === "upcoming") return Boolean(dueOn) && dueOn! > today;
  return view.name === "label" && labels!.includes(view.label);
}

/** A line that is no title any more goes into the notes as a whole. */
function shortened(line: string) {
  const signs = [...line];
  if (signs.length <= TITLE_LENGTH) return { title: line };
  return {
    title: `${signs.slice(0, TITLE_LENGTH - 1).join("")}…`,
    description: signs.slice(0, 1000).join(""),
  };
}

/** Bring what was added into sight, which in a long list may not be in the page yet. */
function reveal(id: string) {
  const row = document.querySelector(`[data-task-id="${CSS.escape(id)}"]`);
  if (row) row.scrollIntoView({ block: "nearest" });
  else document.querySelector(".rows:last-of-type")?.scrollIntoView({ block: "end" });
}
