// Sentences above the answer: why a request was refused or a socket was closed, and what helps.
import { headersNow, run } from "./editors.js";
import { isPagesOwn, preset, renew, resetHeaders, tokenIn } from "./token.js";

const AGAIN = "It is tried again a few times.";
const CLOSES = {
  1006: `The connection broke, or could not be made. ${AGAIN}`,
  1008: "Too much was sent at once.",
  1009: "A message was too big.",
  1011: "The server failed. Its log says why.",
  1012: `The server restarts. ${AGAIN}`,
  1013: `The server can do no more for now, or this page read too slowly. ${AGAIN}`,
  4400: "The server did not understand a message.",
  4401: "A subscription was sent before the connection was begun.",
  4403: "There is no token, or it is not valid, or no longer.",
  4408: "The connection was not begun in time.",
  4409: "A subscription with the same id is running.",
  4429: "The connection was begun twice.",
};

const box = document.createElement("div");
const sentence = document.createElement("p");
const button = document.createElement("button");
let act = () => {};
let ticking;
box.className = "sentence";
box.setAttribute("role", "alert");
button.type = "button";
button.addEventListener("click", () => act());
box.append(sentence, button);

/** Show a sentence, with a button that has a label and does something. */
function tell(text, [label, does] = []) {
  clearInterval(ticking);
  sentence.textContent = text;
  button.hidden = !label;
  button.disabled = false;
  button.textContent = label ?? "";
  act = does;
  document.querySelector(".graphiql-response")?.prepend(box);
}

export function untell() {
  clearInterval(ticking);
  box.remove();
}

const openAccount = () => document.getElementById("account").showPopover();

function otherToken() {
  if (!preset.mayRenew) return ["Paste a token", openAccount];
  return isPagesOwn(tokenIn(JSON.stringify(headersNow())))
    ? ["Renew, and run again", () => renew().then(run)]
    : ["Act as …", openAccount];
}

function tellOfWait(seconds) {
  let left = seconds;
  tell("", [`Run again`, run]);
  const show = () => {
    const when = left > 0 ? `Run again in ${left} s.` : "Run again now.";
    sentence.textContent = `You have spent what you may spend for now (429). ${when}`;
    button.disabled = left > 0;
    if (left <= 0) clearInterval(ticking);
    left -= 1;
  };
  show();
  ticking = setInterval(show, 1000);
}

/** Tell why a request was refused, until another answer comes. */
export function tellOfAnswer({ status, headers }, error) {
  const { code, missingScope } = error?.extensions ?? {};
  if (status === 401) {
    tell(`The server refused the request (401). ${error?.message ?? ""}`, otherToken());
  } else if (code === "FORBIDDEN") {
    tell(`The token may not do this (403): its scope lacks ${missingScope}.`, otherToken());
  } else if (code === "OPERATION_NOT_ALLOWED") {
    tell("The server takes no other documents than those that it was started with (403).");
  } else if (status === 429) {
    tellOfWait(Number(headers.get("retry-after") ?? 60));
  } else {
    untell();
  }
}

/** Tell that the headers cannot be sent, where GraphiQL says so in an answer. */
export function tellOfHeaders(answer) {
  const why = /"Request headers are ([^"]*)"/.exec(answer)?.[1];
  if (why) tell(`Nothing was sent: the headers are ${why}`, ["Reset the headers", resetHeaders]);
}

/** Tell why a socket was closed, until one is opened; return whether that was no usual end. */
export function tellOfClose({ code, reason }) {
  const why = CLOSES[code];
  const named = reason ? `${code}, ${reason}` : code;
  if (why) tell(`The socket was closed (${named}). ${why}`, code === 4403 ? otherToken() : []);
  return Boolean(why);
}
