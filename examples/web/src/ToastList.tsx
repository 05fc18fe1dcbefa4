import { useEffect, useRef, useState, useSyncExternalStore } from "react";
import "./toasts.css";
import { announced, dismiss, shown, subscribe, type Toast } from "./toasts";

/** Milliseconds that a toast stays: longer where it can take something back. */
const [STAYS, STAYS_WITH_UNDO] = [5_000, 10_000];

/** What has happened. Time stands still while the pointer or the focus is in it. */
export default function Toasts() {
  const toasts = useSyncExternalStore(subscribe, shown);
  const { id, text } = useSyncExternalStore(subscribe, announced);
  const [isPointed, setPointed] = useState(false);
  const [isFocused, setFocused] = useState(false);
  // A toast that goes away under the pointer or the focus does not tell that these are gone.
  if (toasts.length === 0 && (isPointed || isFocused)) {
    setPointed(false);
    setFocused(false);
  }
  return (
    <>
      <section
        className="toasts"
        aria-label="What has happened"
        onPointerEnter={() => setPointed(true)}
        onPointerLeave={() => setPointed(false)}
        onFocus={() => setFocused(true)}
        onBlur={() => setFocused(false)}
      >
        <div role="log" aria-label="Messages" className="messages">
          {toasts.map((toast) => (
            <ToastItem key={toast.id} toast={toast} isHeld={isPointed || isFocused} />
          ))}
        </div>
      </section>
      <p className="only-told" aria-live="polite" key={id % 2}>
        {text}
      </p>
    </>
  );
}

function ToastItem({ toast: { id, text, undo }, isHeld }: { toast: Toast; isHeld: boolean }) {
  const left = useRef(undo ? STAYS_WITH_UNDO : STAYS);
  useEffect(() => {
    if (isHeld) return;
    const since = performance.now();
    const timer = setTimeout(() => dismiss(id), left.current);
    return () => {
      clearTimeout(timer);
      left.current -= performance.now() - since;
    };
  }, [id, isHeld]);
  return (
    <div className="toast">
      <span>{text}</span>
      {undo && (
        <button type="button" onClick={undo}>
          Undo
        </button>
      )}
      <button type="button" className="close" aria-label="Close" onClick={() => dismiss(id)}>
        <svg viewBox="0 0 16 16" aria-hidden="true">
          <path d="m4 4 8 8m0-8-8 8" />
        </svg>
      </button>
    </div>
  );
}
