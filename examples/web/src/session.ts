// Who is signed in, without Better Auth's client: that is loaded with the sign-in page alone.
import { useSyncExternalStore } from "react";
import { clearToasts } from "./toasts";
import { clearActs } from "./undo";

export type Person = { id: string; name: string; email: string };

/** `isKnown` is false until there is somebody, or it is sure that there is nobody. */
export type Session = { person: Person | null; isKnown: boolean; isSignedOut: boolean };

const PLACE = "todo-person";

/** Milliseconds that the auth server has for an answer, and after which it is asked again. */
const [PATIENCE, FRESH] = [8_000, 60_000];

const last = remembered();
let session: Session = { person: last, isKnown: last !== null, isSignedOut: false };
let askedAt = 0;
const listeners = new Set<() => void>();

function become(next: Partial<Session>) {
  const isOther = (name: keyof Session) => name in next && next[name] !== session[name];
  if (!isOther("person") && !isOther("isKnown") && !isOther("isSignedOut")) return;
  const before = session.person;
  session = { ...session, ...next };
  if (before && before.id !== session.person?.id) leaveNothingInSight();
  for (const listener of listeners) listener();
}

/** What the page itself, and its address, still has of whoever was here before. */
function leaveNothingInSight() {
  clearActs();
  clearToasts();
  history.replaceState(null, "", "#/");
  dispatchEvent(new HashChangeEvent("hashchange"));
}

function remembered(): Person | null {
  try {
    const kept = JSON.parse(localStorage.getItem(PLACE) ?? "null") as Person | null;
    return kept && { id: kept.id, name: kept.name, email: kept.email };
  } catch {
    return null;
  }
}

function remember(person: Person | null) {
  try {
    // The time tells other windows that somebody has signed in, even if it is the same person.
    if (person) localStorage.setItem(PLACE, JSON.stringify({ ...person, at: Date.now() }));
    else localStorage.removeItem(PLACE);
  } catch {
    // Where nothing can be kept, it is asked again at the next start.
  }
}

const ask = (path: string, method = "GET") =>
  fetch(`/api/auth/${path}`, {
    method,
    cache: "no-store",
    signal: AbortSignal.timeout(PATIENCE),
    ...(method === "POST" && { headers: { "Content-Type": "application/json" }, body: "{}" }),
  });

/** Ask who it is. Without an answer it is still the last known person. */
export async function askSession(): Promise<void> {
  askedAt = Date.now();
  try {
    const answer = await ask("get-session");
    if (answer.ok) {
      const user = ((await answer.json()) as { user: Person } | null)?.user;
      if (user) signedIn(user);
      else become({ isKnown: true, isSignedOut: session.person !== null });
    } else if (answer.status === 401) {
      become({ isKnown: true, isSignedOut: session.person !== null });
    }
  } catch {
    // The auth server is away, or something else answers in its place.
  }
  become({ isKnown: true });
}

/** Somebody is signed in; what is kept of somebody else stays where it is, and is not shown. */
export function signedIn({ id, name, email }: Person): void {
  const isSame = session.person?.id === id && session.person.name === name;
  const person = isSame ? session.person! : { id, name, email };
  if (!isSame || session.isSignedOut) remember(person);
  become({ person, isKnown: true, isSignedOut: false });
}

/** A fresh token; null where the session is over. Fails where there is no answer. */
export async function getToken(): Promise<string | null> {
  const answer = await ask("token");
  if (answer.status === 401) {
    become({ isSignedOut: session.person !== null });
    return null;
  }
  if (!answer.ok) throw new Error(`The auth server answered ${answer.status}.`);
  const { token } = (await answer.json()) as { token: string };
  become({ isSignedOut: false });
  return token;
}

/** End the session at the auth server, and tell whether it did. */
export async function endSession(): Promise<boolean> {
  return ask("sign-out", "POST").then(
    ({ ok, status }) => ok || status === 401,
    () => false,
  );
}

/** Nobody is signed in here any more. */
export function forgetPerson(): void {
  remember(null);
  become({ person: null, isKnown: true, isSignedOut: false });
}

function subscribe(listener: () => void) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export const useSession = (): Session => useSyncExternalStore(subscribe, () => session);

/** Ask at the start, when the network comes back, and when the window is looked at after a while. */
export function startSession(): void {
  void askSession();
  addEventListener("online", () => void askSession());
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "visible" && Date.now() - askedAt > FRESH) void askSession();
  });
  // Another window has signed somebody in or out.
  addEventListener("storage", ({ key }) => {
    if (key !== PLACE) return;
    const person = remembered();
    if (person?.id !== session.person?.id) become({ person, isKnown: true, isSignedOut: false });
    else if (session.isSignedOut) void askSession();
  });
}
