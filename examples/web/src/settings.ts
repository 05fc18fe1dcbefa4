// How somebody wants this page to be, kept in this browser.
import { useSyncExternalStore } from "react";

const FIRST = {
  /** Whether single letters do something outside of fields. */
  letters: "on" as "on" | "off",
  theme: "system" as "system" | "light" | "dark",
};

type Settings = typeof FIRST;

const listeners = new Set<() => void>();
let settings: Settings = { ...FIRST };

for (const name of Object.keys(FIRST)) {
  try {
    const kept = localStorage.getItem(`todo-${name}`);
    if (kept) settings = { ...settings, [name]: kept };
  } catch {
    // Nothing can be kept in this browser.
  }
}

export const setting = <Name extends keyof Settings>(name: Name) => settings[name];

export function set<Name extends keyof Settings>(name: Name, value: Settings[Name]) {
  settings = { ...settings, [name]: value };
  try {
    localStorage.setItem(`todo-${name}`, value);
  } catch {
    // It holds for as long as the page is open.
  }
  showSettings();
  for (const listener of listeners) listener();
}

/** A value, and how to change it. */
export function useSetting<Name extends keyof Settings>(name: Name) {
  const value = useSyncExternalStore(subscribe, () => settings[name]);
  return [value, (value: Settings[Name]) => set(name, value)] as const;
}

function subscribe(listener: () => void) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** What the style knows of it. */
export function showSettings() {
  Object.assign(document.documentElement.dataset, settings);
}
