/** What the tests share: the server under test, one new user of it, and what clients send. */

import type { TestContext } from "node:test";

import { parse, print, type DocumentNode } from "graphql";

import { sessionBy, type Session } from "./session.js";

function given(name: string): string {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: pytest runs these tests`);
  return value;
}

export const url = given("API_URL");
export const token = given("TOKEN");
export const expiredToken = given("EXPIRED_TOKEN");

/** A session that is given these tokens, one after the other. */
export function sessionOf(...tokens: string[]): Session & { left: string[] } {
  const left = [...tokens];
  return { left, ...sessionBy(async () => left.shift() ?? "no token is left") };
}

export interface Sent {
  /** The operation's name. */
  name: string;
  method: string;
  /** Whether the document's text was sent. */
  text: boolean;
  /** Whether the document's hash was sent. */
  hash: boolean;
  status: number;
  answer: { data?: unknown; errors?: { message: string; extensions: { code: string } }[] };
}

/** A fetch that writes down what was answered, and can be slow or fail as a browser's does. */
export function network() {
  const sent: Sent[] = [];
  const state = {
    sent,
    online: true,
    /** Whether what is asked for is done, but no answer arrives. */
    losesAnswers: false,
    /** What the next requests are answered by, one each; null is no answer, though what is asked for is done. */
    failures: [] as (Response | null)[],
    /** What each request waits for before it is sent. */
    held: Promise.resolve(),
    async fetch(input: RequestInfo | URL, init?: RequestInit): Promise<Response> {
      if (!state.online) throw new TypeError("Failed to fetch");
      await state.held;
      const failure = state.failures.shift();
      if (failure) return failure;
      const address = new URL(input instanceof Request ? input.url : input);
      const parameters =
        init?.method === "GET"
          ? Object.fromEntries(address.searchParams)
          : JSON.parse(String(init?.body));
      const { extensions } = parameters;
      const response = await fetch(input, init);
      sent.push({
        name: parameters.operationName,
        method: init?.method ?? "GET",
        text: Boolean(parameters.query),
        hash: JSON.stringify(extensions ?? "").includes("sha256Hash"),
        status: response.status,
        answer: await response.clone().json(),
      });
      if (state.losesAnswers || failure === null) throw new TypeError("Failed to fetch");
      return response;
    },
  };
  return state;
}

/** The API's own answer of an error, which names a time to wait. */
export function refusal(code: string, status: number): Response {
  return new Response(
    JSON.stringify({ data: null, errors: [{ message: "Not now.", extensions: { code } }] }),
    {
      status,
      headers: { "content-type": "application/graphql-response+json", "retry-after": "7" },
    },
  );
}

/** What a proxy says where there is no server behind it. */
export function page(): Response {
  return new Response("<h1>502 Bad Gateway</h1>", {
    status: 502,
    headers: { "content-type": "text/html" },
  });
}

/** Shorten the waits of seconds, and write down how long they would have been. */
export function shortened({ mock }: TestContext): number[] {
  const waits: number[] = [];
  const wait = globalThis.setTimeout;
  mock.method(globalThis, "setTimeout", (...[then, milliseconds = 0, ...rest]: Timer) => {
    const isOfNode = new Error().stack?.includes("node:internal/deps");
    if (isOfNode || milliseconds < 400) return wait(then, milliseconds, ...rest);
    waits.push(milliseconds);
    return wait(then, 1);
  });
  return waits;
}

type Timer = [then: (...rest: unknown[]) => void, milliseconds?: number, ...rest: unknown[]];

/** Ask the server past the client that is tested. */
export async function ask<Data>(query: string, variables: object = {}): Promise<Data> {
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
    body: JSON.stringify({ query, variables }),
  });
  const { data, errors } = await response.json();
  if (errors) throw new Error(JSON.stringify(errors));
  return data;
}

/** The same document under a name that nobody has sent before. */
export function renamed<Document extends DocumentNode>(document: Document): Document {
  const name = `Operation${crypto.randomUUID().replaceAll("-", "")}`;
  return parse(print(document).replace(/(?<=^query )\w+/m, name)) as Document;
}

const ADD =
  "mutation ($input: CreateTaskInput!) { createTask(input: $input) { ... on Task { id } } }";

/** Add tasks of these titles; the last is then the first of the list. Returns their ids. */
export async function addTasks(...titles: string[]): Promise<string[]> {
  const ids = [];
  for (const title of titles) {
    const { createTask } = await ask<{ createTask: { id: string } }>(ADD, { input: { title } });
    ids.push(createTask.id);
  }
  return ids;
}

/** Change a task's title as another of the user's devices would. Returns the version before. */
export async function renameElsewhere(id: string, title: string): Promise<number> {
  const rename = "mutation ($input: UpdateTaskInput!) { updateTask(input: $input) { __typename } }";
  const { task } = await ask<{ task: { version: number } }>(
    "query ($id: ID!) { task(id: $id) { version } }",
    { id },
  );
  await ask(rename, { input: { id, title } });
  return task.version;
}

/** Wait until something holds, however busy the machine is. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`waited in vain until ${condition}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
