// The bar: whose token is sent, and until when it holds.

const whose = document.getElementById("whose");
const button = document.getElementById("renew");
const UNITS = [
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
];
const relative = new Intl.RelativeTimeFormat("en", { numeric: "always" });
const absolute = new Intl.DateTimeFormat("en-GB", {
  weekday: "long",
  day: "numeric",
  month: "long",
  hour: "2-digit",
  minute: "2-digit",
});
let shown = "";

/** The token that the server put into the page; null where it gives none. */
export const preset = {
  token: null,
  superseded: new Set(),
  renew(token) {
    if (this.token) this.superseded.add(this.token);
    this.superseded.delete(token);
    this.token = token;
  },
};

function tokenIn(headers) {
  return /"Bearer ([^"]*)"/i.exec(headers)?.[1] ?? "";
}

/** Return headers with a token: in place of any, or only of those in a set. */
export function headersWith(token, headers, replaced) {
  const old = tokenIn(headers);
  if (replaced !== null && !replaced.has(old)) return headers;
  if (old) return headers.replace(old, () => token);
  return JSON.stringify({ Authorization: `Bearer ${token}` }, null, 2);
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

function inWords(seconds) {
  const [unit, size] = UNITS.find(([, size]) => Math.abs(seconds) >= size) ?? ["second", 1];
  return relative.format(Math.trunc(seconds / size), unit);
}

function sentenceOf(token, { email, name, sub, exp }) {
  if (!token || token === "TOKEN") return "No token: put one into the Headers pane.";
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
  const claims = claimsOf(token);
  whose.textContent = sentenceOf(token, claims);
  // Another user's token is not replaced by a click.
  const isAnothers = claims.sub !== undefined && claims.sub !== claimsOf(preset.token).sub;
  button.hidden = !preset.token || isAnothers;
}

setInterval(() => show(shown), 10_000);
