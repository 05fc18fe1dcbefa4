// Which view is shown, and which task is open: both are in the address, so that the browser's Back leads back.
import { useSyncExternalStore } from "react";

export type View =
  | { name: "inbox" | "today" | "upcoming" | "completed" | "trash" }
  | { name: "list"; id: string }
  | { name: "label"; label: string }
  | { name: "search"; words: string };

export type Route = { view: View; task: string | null };

const PLAIN = new Set(["inbox", "today", "upcoming", "completed", "trash"]);

export function routeOf(hash: string): Route {
  const [path = "", query = ""] = hash.replace(/^#\/?/, "").split("?");
  const [name = "", rest = ""] = path.split("/", 2);
  const parameters = new URLSearchParams(query);
  return { view: viewOf(name, rest, parameters), task: parameters.get("task") };
}

function viewOf(name: string, rest: string, parameters: URLSearchParams): View {
  if (name === "list" && rest) return { name, id: rest };
  if (name === "label" && parameters.get("label")) return { name, label: parameters.get("label")! };
  if (name === "search") return { name, words: parameters.get("words") ?? "" };
  return { name: PLAIN.has(name) ? name : "inbox" } as View;
}

export function hrefOf(view: View, task: string | null = null): string {
  const parameters = new URLSearchParams();
  if (view.name === "label") parameters.set("label", view.label);
  if (view.name === "search") parameters.set("words", view.words);
  if (task) parameters.set("task", task);
  const path = view.name === "list" ? `list/${view.id}` : view.name;
  return `#/${path}${parameters.size ? `?${parameters}` : ""}`;
}

export const isSameView = (one: View, other: View) => hrefOf(one) === hrefOf(other);

let shown = { hash: "", route: routeOf("") };

/** Where the page is now; the same object until that changes. */
export function currentRoute(): Route {
  if (shown.hash !== location.hash) shown = { hash: location.hash, route: routeOf(location.hash) };
  return shown.route;
}

const listeners = new Set<() => void>();

const tell = () => listeners.forEach((listener) => listener());

addEventListener("hashchange", tell);

function subscribe(listener: () => void) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export const useRoute = () => useSyncExternalStore(subscribe, currentRoute);

/** Show a view. `replace` leaves no step for Back, as for each letter of a search. */
export function go(view: View, { replace = false } = {}) {
  show(hrefOf(view), replace);
}

export function openTask(id: string) {
  show(hrefOf(currentRoute().view, id), currentRoute().task !== null);
}

export function closeTask() {
  if (currentRoute().task) show(hrefOf(currentRoute().view), false);
}

function show(href: string, replace: boolean) {
  if (href === location.hash) return;
  if (replace) history.replaceState(null, "", href);
  else location.hash = href;
  // The browser's own event comes later: a letter that is typed meanwhile would be lost.
  tell();
}
