// What the page sends: each request and each socket goes by here.
import { note, runNow } from "./history.js";
import { tellOfAnswer, tellOfClose, untell } from "./sentences.js";
import { renewed } from "./token.js";

const send = globalThis.fetch;
let endpoint;

/** Ask something that is no run of the user's, and return the data; null without an answer. */
export async function ask(query, headers) {
  try {
    const response = await send(endpoint, {
      method: "POST",
      headers: { ...headers, "Content-Type": "application/json" },
      body: JSON.stringify({ query }),
    });
    return (await response.json()).data;
  } catch {
    return null;
  }
}

async function answered(response, run) {
  const body = await response.clone().json().catch(() => null);
  if (run) note(run, !response.ok || Boolean(body?.errors));
  tellOfAnswer(response, body?.errors?.[0]);
}

/** Have the requests of an endpoint go by here. */
export function watchRequests(path) {
  endpoint = path;
  globalThis.fetch = async (address, options = {}) => {
    const url = new URL(address, location.href);
    if (url.origin !== location.origin || url.pathname !== path || options.method !== "POST") {
      return send(address, options);
    }
    const run = String(options.body).includes("IntrospectionQuery") ? null : runNow();
    const headers = new Headers(options.headers);
    const [scheme, token] = (headers.get("authorization") ?? "").split(" ");
    if (token) headers.set("authorization", `${scheme} ${await renewed(token)}`);
    try {
      const response = await send(address, { ...options, headers });
      await answered(response, run);
      return response;
    } catch (error) {
      if (run) note(run, true);
      throw error;
    }
  };
}

/** Have all sockets go by here. GraphiQL's script is to be loaded after. */
export function watchSockets() {
  globalThis.WebSocket = class extends WebSocket {
    run = runNow();

    constructor(...words) {
      super(...words);
      this.addEventListener("open", untell);
      this.addEventListener("message", ({ data }) => {
        if (data.includes('"type":"error"')) note(this.run, true);
      });
      this.addEventListener("close", (event) => {
        if (tellOfClose(event)) note(this.run, true);
      });
    }

    send(message) {
      if (message.includes('"type":"subscribe"')) note(this.run, false);
      super.send(message);
    }
  };
}
