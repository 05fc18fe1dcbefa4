// Everything that can be done by a key: the keys, the help and the command menu read this one table.

export type CommandId = (typeof COMMANDS)[number]["id"];

export type Command = {
  readonly id: string;
  readonly name: string;
  /** `Mod` is Ctrl, or Cmd on a Mac. Keys with a space between are pressed one after the other. */
  readonly keys: readonly string[];
  readonly group: "Go" | "Tasks" | "Selection" | "Everywhere";
};

export const COMMANDS = [
  { id: "add", name: "Add a task", keys: ["N", "Q"], group: "Tasks" },
  { id: "next", name: "Next task", keys: ["J", "ArrowDown"], group: "Tasks" },
  { id: "previous", name: "Previous task", keys: ["K", "ArrowUp"], group: "Tasks" },
  { id: "complete", name: "Complete, or open again", keys: ["X", "Space"], group: "Tasks" },
  { id: "open", name: "Open", keys: ["Enter"], group: "Tasks" },
  { id: "edit", name: "Edit in place", keys: ["E", "F2"], group: "Tasks" },
  { id: "due", name: "Due date", keys: ["D"], group: "Tasks" },
  { id: "high", name: "High priority", keys: ["1"], group: "Tasks" },
  { id: "medium", name: "Medium priority", keys: ["2"], group: "Tasks" },
  { id: "low", name: "Low priority", keys: ["3"], group: "Tasks" },
  { id: "none", name: "No priority", keys: ["0"], group: "Tasks" },
  { id: "labels", name: "Labels", keys: ["L"], group: "Tasks" },
  { id: "move", name: "Move to a list", keys: ["M"], group: "Tasks" },
  { id: "up", name: "Move up", keys: ["Alt+ArrowUp"], group: "Tasks" },
  { id: "down", name: "Move down", keys: ["Alt+ArrowDown"], group: "Tasks" },
  { id: "indent", name: "Make it a subtask", keys: ["Alt+ArrowRight"], group: "Tasks" },
  { id: "outdent", name: "End being a subtask", keys: ["Alt+ArrowLeft"], group: "Tasks" },
  { id: "delete", name: "Move to the trash", keys: ["Delete", "Backspace"], group: "Tasks" },
  {
    id: "select-next",
    name: "Select down",
    keys: ["Shift+J", "Shift+ArrowDown"],
    group: "Selection",
  },
  {
    id: "select-previous",
    name: "Select up",
    keys: ["Shift+K", "Shift+ArrowUp"],
    group: "Selection",
  },
  { id: "select-all", name: "Select all", keys: ["Mod+A"], group: "Selection" },
  { id: "select-none", name: "Close, select nothing", keys: ["Escape"], group: "Selection" },
  { id: "all-to-today", name: "Move all that is overdue to today", keys: [], group: "Tasks" },
  { id: "inbox", name: "Go to Inbox", keys: ["G I"], group: "Go" },
  { id: "today", name: "Go to Today", keys: ["G T"], group: "Go" },
  { id: "upcoming", name: "Go to Upcoming", keys: ["G U"], group: "Go" },
  { id: "completed", name: "Go to Completed", keys: [], group: "Go" },
  { id: "trash", name: "Go to the trash", keys: ["G B"], group: "Go" },
  { id: "search", name: "Search", keys: ["/"], group: "Go" },
  { id: "waiting", name: "Show what waits to be sent", keys: [], group: "Go" },
  { id: "new-list", name: "New list", keys: [], group: "Everywhere" },
  { id: "undo", name: "Undo", keys: ["Mod+Z"], group: "Everywhere" },
  { id: "commands", name: "Every command by name", keys: ["Mod+K"], group: "Everywhere" },
  { id: "help", name: "All keys", keys: ["?"], group: "Everywhere" },
] as const satisfies readonly Command[];

const isMac = /mac|iphone|ipad/i.test(navigator.userAgent);

/** Of a pressed key what the table calls it. */
export function nameOf({ key, altKey, ctrlKey, metaKey, shiftKey }: KeyboardEvent): string {
  const isLetter = /^\p{L}$/u.test(key);
  const name = key === " " ? "Space" : isLetter ? key.toUpperCase() : key;
  // Signs such as `?` need Shift on some keyboards, so it is no part of their name.
  const hasShift = shiftKey && (isLetter || key.length > 1);
  return `${ctrlKey || metaKey ? "Mod+" : ""}${altKey ? "Alt+" : ""}${hasShift ? "Shift+" : ""}${name}`;
}

/** Whether it is one sign that may as well be text: those can be turned off. */
export const isSign = (name: string) =>
  !/Mod|Alt/.test(name) && /^(Shift\+)?.$|^Space$/u.test(name);

const SHOWN: Record<string, string> = {
  ArrowUp: "↑",
  ArrowDown: "↓",
  ArrowLeft: "←",
  ArrowRight: "→",
  Mod: isMac ? "⌘" : "Ctrl",
  Alt: isMac ? "⌥" : "Alt",
  Delete: "Del",
  Backspace: "⌫",
  Escape: "Esc",
};

/** The keys of a command one by one, as they stand on a keyboard: `["Ctrl", "K"]`. */
export const shownKeys = (keys: string) => keys.split(/[+ ]/).map((key) => SHOWN[key] ?? key);
