type PastedProps = {
  lines: readonly string[];
  onAdd: () => void;
  onOneLine: () => void;
  onCancel: () => void;
};

/** Asks whether the lines that were pasted are to be as many tasks. */
export default function Pasted({ lines, onAdd, onOneLine, onCancel }: PastedProps) {
  return (
    <div className="pasted" role="group" aria-label="Several lines were pasted">
      <p>
        Add {lines.length} tasks?{" "}
        <span className="quiet-line">
          {lines[0]}, {lines[1]} …
        </span>
      </p>
      <button type="button" className="main" autoFocus onClick={onAdd}>
        Add {lines.length} tasks
      </button>
      <button type="button" onClick={onOneLine}>
        As one line
      </button>
      <button type="button" className="quiet" onClick={onCancel}>
        Cancel
      </button>
    </div>
  );
}
