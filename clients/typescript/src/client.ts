/** A client of the API for one person: requests by POST alone, each with a token and a limit of time. */

import { codesOf, UNAUTHENTICATED, type Answer } from "./outcomes.js";

/** Text of an operation: typed where graphql-codegen made it, with `documentMode: "string"`. */
export interface Document<Result, Variables> {
  toString(): string;
  __apiType?: (variables: Variables) => Result;
}

export interface ClientOptions {
  /** Where the API is, such as `https://api.example.com/graphql`. */
  url: string | URL;
  /** Fetches another token whenever it is called; null where nobody is signed in. */
  token: () => Promise<string | null> | string | null;
  /** The person, as tokens name them (`sub`): another's token counts as none. */
  user?: string;
  fetch?: typeof globalThis.fetch;
  /** Milliseconds that a request has, its token included. */
  patience?: number;
  /** Told the server's time with each answer, in milliseconds, where it can be read. */
  onDate?: (date: number) => void;
}

export interface RequestOptions {
  signal?: AbortSignal;
}

export interface TodoClient {
  /**
   * Ask for data.
   *
   * @throws TodoError There is none, or not all of it.
   */
  request<Result = any, Variables extends object = Record<string, unknown>>(
    document: Document<Result, Variables> | string,
    variables?: Variables,
    options?: RequestOptions,
  ): Promise<Result>;
  /** Ask, whatever comes of it: this never fails, and sends again only for another token. */
  ask(document: object | string, variables?: object, options?: RequestOptions): Promise<Answer>;
  /** The token that is good now, fetched when there is none yet; null where nobody is signed in. */
  token(): Promise<string | null>;
  /** Drop the token, so that another one is fetched. */
  renew(): void;
}

/** A request that has failed. */
export class TodoError extends Error {
  override name = "TodoError";
  /** `extensions.code` of the first error; undefined where no answer came that is the API's own. */
  readonly code: string | undefined;
  /** The HTTP status; 0 where no answer came. */
  readonly status: number;
  /** Milliseconds that the answer asks to wait. */
  readonly retryAfter: number | undefined;
  /** Names the entry in the server's log. */
  readonly errorId: string | undefined;

  constructor(readonly answer: Answer) {
    const problem = answer.body?.errors?.[0];
    super(problem?.message ?? (answer.status ? `No answer of the API: ${answer.status}` : "No answer"));
    this.code = problem?.extensions?.code;
    this.status = answer.status;
    this.retryAfter = answer.retryAfter;
    this.errorId = problem?.extensions?.errorId as string | undefined;
  }
}

const NO_ANSWER: Answer = { status: 0 };
const SIGNED_OUT: Answer = {
  status: 401,
  body: { errors: [{ message: "Nobody is signed in.", extensions: { code: UNAUTHENTICATED } }] },
};

export function createTodoClient(options: ClientOptions): TodoClient {
  const { url, user, fetch = globalThis.fetch, patience = 15_000, onDate } = options;
  let known: Promise<string | null> | undefined;

  const renew = () => {
    known = undefined;
  };

  function token(): Promise<string | null> {
    // Kept as a promise, so that requests sent at once share one; a failure is not kept.
    known ??= Promise.resolve()
      .then(options.token)
      .then((fetched) => (isOf(fetched, user) ? fetched : null))
      .then(
        (fetched) => {
          if (fetched === null) renew();
          return fetched;
        },
        (error) => {
          renew();
          throw error;
        },
      );
    return known;
  }

  async function post(body: string, signal: AbortSignal): Promise<Answer> {
    const wanted = token();
    // One that hangs is not waited for again.
    const drop = () => known === wanted && renew();
    signal.addEventListener("abort", drop);
    const fetched = await wanted;
    signal.removeEventListener("abort", drop);
    if (fetched === null) return SIGNED_OUT;
    const response = await fetch(url, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        accept: "application/graphql-response+json, application/json;q=0.9",
        authorization: `Bearer ${fetched}`,
      },
      body,
      signal,
    });
    const date = Date.parse(response.headers.get("date") ?? "");
    if (date) onDate?.(date);
    return readAnswer(response);
  }

  async function ask(document: object | string, variables: object = {}, { signal }: RequestOptions = {}) {
    const body = JSON.stringify({ query: String(document), variables });
    const once = () => inTime(patience, signal, (limit) => post(body, limit)).catch(() => NO_ANSWER);
    const answer = await once();
    if (answer === SIGNED_OUT || (answer.status !== 401 && !codesOf(answer).includes(UNAUTHENTICATED))) return answer;
    renew();
    return once();
  }

  async function request(document: object | string, variables?: object, given?: RequestOptions) {
    const answer = await ask(document, variables, given);
    if (!answer.body?.data || answer.body.errors?.length) throw new TodoError(answer);
    return answer.body.data;
  }

  return { request, ask, token, renew };
}

/** Read what a server has answered, or something in between. */
export async function readAnswer(response: Response): Promise<Answer> {
  const text = await response.text();
  return { status: response.status, body: parse(text), retryAfter: askedWait(response.headers) };
}

/** GraphQL's JSON; undefined where it is none. */
function parse(text: string): Answer["body"] {
  try {
    const body = JSON.parse(text);
    return Array.isArray(body?.errors) || typeof body?.data === "object" ? body : undefined;
  } catch {
    return undefined;
  }
}

/** The milliseconds that `Retry-After` says: it has seconds, or a date. */
export function askedWait(headers: Headers): number | undefined {
  const text = headers.get("retry-after");
  if (!text) return undefined;
  const asked = Number(text) * 1000 || Date.parse(text) - Date.now();
  // More than an hour is nobody's intent.
  return asked > 0 ? Math.min(asked, 3_600_000) : undefined;
}

/** Do something that stops, and fails, when its time is over or it is not wanted any more. */
async function inTime<R>(
  milliseconds: number,
  signal: AbortSignal | undefined,
  work: (signal: AbortSignal) => Promise<R>,
): Promise<R> {
  const limit = new AbortController();
  const stop = () => limit.abort();
  // What hangs before its request is sent, such as a token, hears of no signal.
  const stopped = new Promise<never>((_, reject) => {
    limit.signal.addEventListener("abort", () => reject(new Error("No answer in time.")));
  });
  const late = setTimeout(stop, milliseconds);
  signal?.addEventListener("abort", stop);
  try {
    signal?.throwIfAborted();
    return await Promise.race([work(limit.signal), stopped]);
  } finally {
    clearTimeout(late);
    signal?.removeEventListener("abort", stop);
  }
}

/** Whether a token is a person's: those that do not say whose they are count as theirs. */
function isOf(token: string | null, user: string | undefined): boolean {
  if (!token || user === undefined) return true;
  try {
    const text = atob(token.split(".")[1]!.replaceAll("-", "+").replaceAll("_", "/"));
    const bytes = Uint8Array.from(text, (character) => character.charCodeAt(0));
    const { sub } = JSON.parse(new TextDecoder().decode(bytes));
    return sub === undefined || sub === user;
  } catch {
    return true;
  }
}
