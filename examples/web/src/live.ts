// One WebSocket for live changes, which also tells whether the server can be reached.
import { createClient, type FormattedExecutionResult, type Sink } from "graphql-ws";

/** Milliseconds without a word from the server after which it is asked for one; as many later it is gone. */
const SILENCE = 10_000;

export type Live = ReturnType<typeof createLive>;

export function createLive(url: string, getToken: () => Promise<string | null>) {
  const listeners = new Set<() => void>();
  let isOnline = navigator.onLine;
  let opened = 0;
  let overdue: ReturnType<typeof setTimeout> | undefined;

  function tell(online: boolean) {
    clearTimeout(overdue);
    if (online === isOnline) return;
    isOnline = online;
    for (const listener of listeners) listener();
  }

  function onChange(listener: () => void) {
    listeners.add(listener);
    return () => void listeners.delete(listener);
  }

  const socket = createClient({
    url: url.replace(/^http/, "ws"),
    connectionParams: async () => ({ Authorization: `Bearer ${await getToken()}` }),
    retryAttempts: Infinity,
    shouldRetry: () => true,
    // Soon at first, then every half a minute; not all browsers in the same moment.
    retryWait: (retries) => {
      const wait = Math.min(250 * 2 ** retries, 30_000) * (0.5 + Math.random());
      return new Promise((resolve) => {
        setTimeout(resolve, wait);
        window.addEventListener("online", () => resolve(), { once: true });
      });
    },
    keepAlive: SILENCE,
    on: {
      connected: () => {
        opened = Date.now();
        tell(true);
      },
      // A socket whose network has slept does not say that it is broken.
      ping: (received) => {
        if (!received) overdue = setTimeout(() => socket.terminate(), SILENCE);
      },
      pong: () => clearTimeout(overdue),
      closed: () => tell(false),
    },
  });
  window.addEventListener("offline", () => socket.terminate());

  return {
    isOnline: () => isOnline,
    /** To be called when a request has failed: the socket then tells when the server is back. A new one has just told so. */
    reopen: () => {
      if (Date.now() - opened > SILENCE) socket.terminate();
    },
    /** Have a function called whenever the server comes into reach, or out of it. */
    onChange,
    /** Subscribe so that after a break it goes on from the last `cursor` that came. */
    subscribe(query: string, variables: { after?: string }, sink: Sink<FormattedExecutionResult<any, any>>) {
      // What is sent again is this very object.
      const request = { query, variables: { ...variables } };
      return socket.subscribe<any>(request, {
        ...sink,
        next: (result) => {
          request.variables.after = result.data?.changes?.cursor ?? request.variables.after;
          sink.next(result);
        },
      });
    },
  };
}
