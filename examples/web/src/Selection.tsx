// What can be done with all that is selected.
import type { Task } from "@todo-api/client/things";
import { Icon } from "./icons";

type SelectionProps = {
  tasks: readonly Task[];
  onComplete: () => void;
  onRemove: () => void;
  onPick: (kind: "date" | "labels" | "list") => void;
  onNone: () => void;
};

export default function Selection({ tasks, onComplete, onRemove, onPick, onNone }: SelectionProps) {
  const isOpen = tasks.some(({ completed }) => !completed);
  return (
    <div className="selection" role="group" aria-label="What is selected">
      <strong>{tasks.length} selected</strong>
      <button type="button" onClick={onComplete}>
        {isOpen ? "Complete" : "Open again"}
      </button>
      <button type="button" onClick={() => onPick("date")}>
        Date
      </button>
      <button type="button" onClick={() => onPick("labels")}>
        Labels
      </button>
      <button type="button" onClick={() => onPick("list")}>
        Move
      </button>
      <button type="button" onClick={onRemove}>
        Delete
      </button>
      <button type="button" className="icon-button" aria-label="Select nothing" onClick={onNone}>
        <Icon name="close" />
      </button>
    </div>
  );
}
