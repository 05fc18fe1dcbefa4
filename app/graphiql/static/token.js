// Whose token is sent, until when it holds, and how it is replaced. It is kept in memory alone.
import { textOf, write } from "./editors.js";

const PLACEHOLDER = "TOKEN";
const UNITS = [
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
];
const relative = new Intl.RelativeTimeFormat("en", { numeric: "always" });
const absolute = new Intl.DateTimeFormat("en-GB", {
  weekday: "short",
  day: "numeric",
  month: "short",
  hour: "2-digit",
  minute: "2-digit",
});
const whose = document.getElementById("whose");
const button = document.getElementById("renew");
let shown = "";
let renewing = null;

/** The token of the page: the server's, or one that was pasted; null before there is any. */
export const preset = {
  token: null,
  mayRenew: false,
  superseded: new Set([PLACEHOLDER]),
  replace(token) {
    if (this.token) this.superseded.add(this.token);
    this.superseded.delete(token);
    this.token = token;
  },
};

export function tokenIn(headers) {
  return /"Bearer ([^"]*)"/i.exec(headers)?.[1] ?? "";
}

/** The headers of a tab that is new. */
export function newHeaders() {
  return JSON.stringify({ Authorization: `Bearer ${preset.token ?? PLACEHOLDER}` }, null, 2);
}

function headersWith(token, headers, replaced) {
  const old = tokenIn(headers);
  if (replaced !== null && !replaced.has(old)) return headers;
  return old ? headers.replace(old, () => token) : newHeaders();
}

/** Return headers with the page's token, if they have one that it took the place of. */
export function followed(headers) {
  return preset.token ? headersWith(preset.token, headers, preset.superseded) : headers;
}

function claimsOf(token) {
  try {
    const payload = token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/");
    const bytes = Uint8Array.from(atob(payload), (character) => character.charCodeAt(0));
    return JSON.parse(new TextDecoder().decode(bytes)) ?? {};
  } catch {
    return {}; // It is no JSON Web Token.
  }
}

/** Whether a token is of the page's user, or of nobody. */
export function isPagesOwn(token) {
  const { sub } = claimsOf(token);
  return sub === undefined || sub === claimsOf(preset.token).sub;
}

function inWords(seconds) {
  const [unit, size] = UNITS.find(([, size]) => Math.abs(seconds) >= size) ?? ["second", 1];
  return relative.format(Math.trunc(seconds / size), unit);
}

function sentenceOf(token, { email, name, sub, exp }) {
  if (!token || token === PLACEHOLDER) return "No token yet";
  if (!sub) return "The token in the Headers pane cannot be read.";
  const who = email ?? name ?? sub;
  if (typeof exp !== "number") return `${who}, with a token that has no end`;
  const left = exp - Date.now() / 1000;
  const end = `${absolute.format(exp * 1000)} (${inWords(left)})`;
  return left > 0 ? `${who}, until ${end}` : `${who}: the token expired on ${end}`;
}

/** Show whose token is in headers, as the pane has them. */
export function show(headers) {
  shown = headers;
  const token = tokenIn(headers);
  whose.textContent = sentenceOf(token, claimsOf(token));
  // Another user's token is not replaced by a click.
  button.hidden = !preset.mayRenew || !isPagesOwn(token);
}

/** Send another token from now on, in this tab and in all that had the last one. */
export function use(token) {
  preset.replace(token);
  write("headers", headersWith(token, textOf("headers"), null));
}

export function resetHeaders() {
  write("headers", newHeaders());
}

async function fetchToken(user) {
  // The page is asked for anew: who may have a token is decided in one place.
  const response = await fetch(`?as=${encodeURIComponent(user)}`, { headers: { Accept: "text/html" } });
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  return JSON.parse(page.getElementById("configuration").textContent).token;
}

/** Send a token of a user that the server makes; return whether it makes one. */
export async function actAs(user) {
  const token = await fetchToken(user).catch(() => null);
  if (token) use(token);
  return token !== null;
}

/** Send a new token of the page's user. */
export function renew() {
  renewing ??= actAs(claimsOf(preset.token).sub).finally(() => (renewing = null));
  return renewing;
}

/** Return a token to send: the one given, or a new one if it has expired and the page may. */
export async function renewed(token) {
  const { sub, exp } = claimsOf(token);
  const isOver = preset.mayRenew && sub && isPagesOwn(token) && exp * 1000 <= Date.now();
  return isOver && (await renew()) ? preset.token : token;
}

setInterval(() => show(shown), 10_000);
