/** What the tests share: the server under test, one new user of it, and what clients send. */

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
    /** What each request waits for before it is sent. */
    held: Promise.resolve(),
    async fetch(input: RequestInfo | URL, init?: RequestInit): Promise<Response> {
      if (!state.online) throw new TypeError("Failed to fetch");
      await state.held;
      const address = new URL(input instanceof Request ? input.url : input);
      const parameters =
        init?.method === "GET"
          ? Object.fromEntries(address.searchParams)
          : JSON.parse(String(init?.body));
      const { extensions } = parameters;
      const response = await fetch(input, init);
      sent.push({
        method: init?.method ?? "GET",
        text: Boolean(parameters.query),
        hash: JSON.stringify(extensions ?? "").includes("sha256Hash"),
        status: response.status,
        answer: await response.clone().json(),
      });
      if (state.losesAnswers) throw new TypeError("Failed to fetch");
      return response;
    },
  };
  return state;
}

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
