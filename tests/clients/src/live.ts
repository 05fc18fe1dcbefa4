/** Live changes, over one WebSocket for all that a client follows. */

import { createClient, type Client } from "graphql-ws";

import type { Session } from "./session.js";

/** Opened when something is followed, and again when it breaks: then what was missed comes first. */
export function liveClient(url: string, session: Session, webSocketImpl?: unknown): Client {
  return createClient({
    url: url.replace(/^http/, "ws"),
    webSocketImpl,
    connectionParams: async () => ({ Authorization: `Bearer ${await session.token()}` }),
    retryAttempts: Infinity,
    shouldRetry: () => true,
    on: {
      closed: (event) => {
        // The token is over.
        if ((event as CloseEvent).code === 4403) session.renew();
      },
    },
  });
}
