// What has happened, in words: shown for a while, or told to screen readers alone.
export type Toast = { id: number; text: string; undo?: () => void };

/** At most so many at once; the oldest gives way, and Ctrl/Cmd Z still takes it back. */
const AT_ONCE = 1;

let toasts: readonly Toast[] = [];
let announcement = { id: 0, text: "" };
let count = 0;
const listeners = new Set<() => void>();

const changed = () => listeners.forEach((listener) => listener());

/** Show a toast, with a button that takes the act back where `undo` is given. */
export function tell(text: string, { undo }: { undo?: () => void } = {}): number {
  const id = ++count;
  toasts = [...toasts, { id, text, undo }].slice(-AT_ONCE);
  changed();
  return id;
}

/** Tell screen readers, and show nothing. */
export function announce(text: string): void {
  announcement = { id: ++count, text };
  changed();
}

export function dismiss(id: number): void {
  toasts = toasts.filter((toast) => toast.id !== id);
  changed();
}

/** Say nothing any more of what has happened. */
export function clearToasts(): void {
  toasts = [];
  announcement = { id: ++count, text: "" };
  changed();
}

export function subscribe(listener: () => void) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export const shown = () => toasts;
export const announced = () => announcement;
