/** What urql, Apollo Client and Relay share: the token, what is sent again, and the socket. */
import { createClient, type Client, type Sink } from "graphql-ws";

import { fetchToken, url } from "./token";

let token: Promise<string> | undefined;
let renewAt = Infinity;

/** Drops the token, so that the next one is fetched. */
export function renewToken() {
  token = undefined;
  renewAt = Infinity;
}

/** The token to send: fetched when there is none yet, and anew 60 seconds before it ends. */
export function getToken(): Promise<string> {
  if (Date.now() > renewAt) renewToken();
  if (!token) {
    token = fetchToken().then((fetched) => {
      const claims = fetched.split(".")[1].replaceAll("-", "+").replaceAll("_", "/");
      renewAt = (JSON.parse(atob(claims)).exp - 60) * 1000;
      return fetched;
    });
    // Requests that are sent at once share it. A failure is not kept.
    token.catch(renewToken);
  }
  return token;
}

/** A `fetch` for POST: with a token, and again where that is safe and may help. */
export async function todoFetch(input: RequestInfo | URL, init: RequestInit = {}): Promise<Response> {
  const { query, variables } = JSON.parse(String(init.body));
  // A change may have been done though no answer came. With a key it is done once.
  const isSafe = !/^\s*mutation\b/m.test(query) || Boolean(variables?.input?.idempotencyKey);
  let isRenewed = false;
  for (let tries = 1; ; tries += 1) {
    const { response, codes, error } = await ask(input, init);
    if (codes?.includes("UNAUTHENTICATED") && !isRenewed) {
      isRenewed = true;
      renewToken();
    } else if (isSafe && tries < 5 && !init.signal?.aborted && isPassing(response, codes)) {
      const asked = Number(response?.headers.get("Retry-After")) * 1000;
      await sleep(asked || 1000 * 2 ** (tries - 1) * (0.5 + Math.random()));
    } else if (response) {
      return response;
    } else {
      throw error;
    }
  }
}

async function ask(input: RequestInfo | URL, init: RequestInit) {
  const headers = new Headers(init.headers);
  headers.set("Authorization", `Bearer ${await getToken()}`);
  const ends = [AbortSignal.timeout(15_000), ...(init.signal ? [init.signal] : [])];
  try {
    const response = await fetch(input, { ...init, headers, signal: AbortSignal.any(ends) });
    return { response, codes: await codesOf(response.clone()) };
  } catch (error) {
    return { error };
  }
}

/** The codes of an answer's errors; undefined where the answer is none of the API's. */
async function codesOf(response: Response): Promise<unknown[] | undefined> {
  const { data, errors } = await response.json().catch(() => ({}));
  if (data === undefined && !errors) return undefined;
  return (errors ?? []).map((error: { extensions?: { code?: string } }) => error.extensions?.code);
}

const PASSING = [
  "IDEMPOTENCY_CONCURRENT_REQUEST",
  "INTERNAL_SERVER_ERROR",
  "RATE_LIMITED",
  "REQUEST_TIMEOUT",
  "SERVICE_UNAVAILABLE",
  "TIMEOUT",
];

/** Whether the same request may be well a little later. */
function isPassing(response?: Response, codes?: unknown[]): boolean {
  return (
    !response ||
    !codes ||
    response.status >= 500 ||
    [408, 425, 429].includes(response.status) ||
    codes.some((code) => PASSING.includes(String(code)))
  );
}

function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** The sentence of the first outcome that the user can mend; undefined where all went well. */
export function refusal(
  ...outcomes: ({ __typename: string; message?: string } | null | undefined)[]
): string | undefined {
  return outcomes.find((outcome) => outcome?.message)?.message;
}

let socket: Client | undefined;

/** Subscribes as a client of graphql-ws does; after a break it goes on from the last cursor. */
export const follow: Client["subscribe"] = (payload, sink: Sink<any>) => {
  socket ??= openSocket();
  // What is sent again is this very object.
  const request = { ...payload, variables: { ...payload.variables } };
  return socket.subscribe<any>(request, {
    next: (result) => {
      request.variables.after = result.data?.changes?.cursor ?? request.variables.after;
      sink.next(result);
    },
    error: (error) => sink.error(error),
    complete: () => sink.complete(),
  });
};

function openSocket(): Client {
  let overdue: ReturnType<typeof setTimeout> | undefined;
  const client = createClient({
    url: url.replace(/^http/, "ws"),
    connectionParams: async () => ({ Authorization: `Bearer ${await getToken()}` }),
    retryAttempts: Infinity,
    shouldRetry: () => true,
    // Soon at first, then every half a minute; not all clients in the same moment.
    retryWait: (retries) => sleep(Math.min(250 * 2 ** retries, 30_000) * (0.5 + Math.random())),
    // A socket whose network slept does not say that it is broken: it is asked, and given up.
    keepAlive: 10_000,
    on: {
      ping: (received) => {
        if (!received) overdue = setTimeout(() => client.terminate(), 10_000);
      },
      pong: () => clearTimeout(overdue),
      closed: (event) => {
        clearTimeout(overdue);
        // The token is over.
        if ((event as CloseEvent).code === 4403) renewToken();
      },
    },
  });
  return client;
}
