// What a view says where it has nothing.
import type { View } from "./route";

const WORDS: Record<View["name"], [string, string]> = {
  inbox: ["Nothing in the inbox", "Write down what comes to mind. It can be sorted later."],
  list: ["Nothing in this list", "Add its first task above, or drag one here."],
  today: ["Nothing left for today", "What is due today or was due before shows here."],
  upcoming: ["Nothing planned", ""],
  label: ["Nothing with this label", "Write @ and the label when you add a task."],
  search: [
    "Nothing found",
    "Each word is looked for at the beginning of the words of titles, notes and labels.",
  ],
  completed: ["Nothing completed yet", ""],
  trash: ["The trash is empty", ""],
};

export default function Empty({
  view,
  isFilled,
  isHere,
}: {
  view: View;
  isFilled: boolean;
  isHere: boolean;
}) {
  if (!isFilled) return <Words title="Fetching your tasks …" text="" />;
  if (!isHere)
    return (
      <Words
        title="This list is not here"
        text="It may be in the trash, from where it can be restored."
      />
    );
  if (view.name === "search" && !view.words.trim())
    return <Words title="Search all your tasks" text={WORDS.search[1]} />;
  const [title, text] = WORDS[view.name];
  return <Words title={title} text={text} />;
}

function Words({ title, text }: { title: string; text: string }) {
  return (
    <div className="empty">
      <svg viewBox="0 0 96 64" aria-hidden="true">
        <rect x="14" y="6" width="68" height="52" rx="8" />
        <path d="M26 22h4M26 34h4M26 46h4M38 22h32M38 34h24M38 46h28" />
      </svg>
      <p>{title}</p>
      {text && <p className="quiet-line">{text}</p>}
    </div>
  );
}
