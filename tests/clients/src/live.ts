/** Live changes, over one WebSocket for all that a client follows. */

import { createClient, type Client, type ExecutionResult, type Sink } from "graphql-ws";

import type { Session } from "./session.js";

/**
 * Opened when something is followed, and again when it breaks: what was missed comes first.
 *
 * @param silence Milliseconds without a word from the server after which it is asked for one, and
 *   as many later taken for gone: a socket whose network slept does not say that it is broken.
 */
export function liveClient(
  url: string,
  session: Session,
  webSocketImpl?: unknown,
  silence = 10_000,
): Client {
  let overdue: ReturnType<typeof setTimeout> | undefined;
  const client = createClient({
    url: url.replace(/^http/, "ws"),
    webSocketImpl,
    connectionParams: async () => ({ Authorization: `Bearer ${await session.token()}` }),
    retryAttempts: Infinity,
    shouldRetry: () => true,
    // Soon at first, then every half a minute; not all clients in the same moment.
    retryWait: (retries) => sleep(Math.min(250 * 2 ** retries, 30_000) * (0.5 + Math.random())),
    keepAlive: silence,
    on: {
      ping: (received) => {
        if (!received) overdue = setTimeout(() => client.terminate(), silence);
      },
      pong: () => clearTimeout(overdue),
      closed: (event) => {
        clearTimeout(overdue);
        // The token is over.
        if ((event as CloseEvent).code === 4403) session.renew();
      },
    },
  });
  return { ...client, subscribe: resuming(client) };
}

/** Subscribe so that after a break it goes on from the last `cursor` that came. */
function resuming({ subscribe }: Client): Client["subscribe"] {
  return (payload, sink: Sink<ExecutionResult<any, any>>) => {
    // What is sent again is this very object.
    const request = { ...payload, variables: { ...payload.variables } };
    return subscribe(request, {
      next: (result: ExecutionResult<any, any>) => {
        request.variables.after = result.data?.changes?.cursor ?? request.variables.after;
        sink.next(result);
      },
      error: (error) => sink.error(error),
      complete: () => sink.complete(),
    });
  };
}

function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
