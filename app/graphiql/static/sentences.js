// Sentences above the answer: why a request was refused, and why a socket was closed.

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
const sentence = document.createElement("p");
sentence.className = "sentence";
sentence.setAttribute("role", "alert");

function tell(text) {
  sentence.textContent = text;
  document.querySelector(".graphiql-response")?.prepend(sentence);
}

function remedy() {
  const mayRenew = !document.getElementById("renew").hidden;
  return mayRenew ? "Renew it above." : "Put a valid token into the Headers pane.";
}

/** Tell of each answer 401 of an endpoint, until another answer comes. */
export function tellOfAnswers(endpoint) {
  const send = globalThis.fetch;
  globalThis.fetch = async (...request) => {
    const response = await send(...request);
    const url = new URL(response.url);
    if (url.origin !== location.origin || url.pathname !== endpoint) return response;
    if (response.status === 401) {
      const body = await response.clone().json().catch(() => null);
      const why = body?.errors?.[0]?.message ?? "";
      tell(`The server refused the request (401). ${why} ${remedy()}`);
    } else {
      sentence.remove();
    }
    return response;
  };
}

/** Tell why sockets are closed, until one is opened. GraphiQL's script is to be loaded after. */
export function tellOfSockets() {
  globalThis.WebSocket = class extends WebSocket {
    constructor(...words) {
      super(...words);
      this.addEventListener("open", () => sentence.remove());
      this.addEventListener("close", ({ code, reason }) => {
        const why = CLOSES[code];
        const named = reason ? `${code}, ${reason}` : code;
        if (why) tell(`The socket was closed (${named}). ${why} ${code === 4403 ? remedy() : ""}`);
      });
    }
  };
}
