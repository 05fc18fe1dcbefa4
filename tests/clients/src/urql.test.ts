/** urql with Graphcache against a running server. */

import assert from "node:assert/strict";
import { test } from "node:test";

import type { SerializedEntries, StorageAdapter } from "@urql/exchange-graphcache";
import { pipe, subscribe } from "wonka";

import type { TaskListQuery } from "./gql/graphql.js";
import { CreateTask, DeleteTask, TaskList, ToggleTask, UpdateTask } from "./operations.js";
import {
  addTasks,
  ask,
  expiredToken,
  network,
  page,
  refusal,
  renameElsewhere,
  renamed,
  sessionOf,
  shortened,
  token,
  until,
  url,
} from "./testing.js";
import { codeOf, urqlClient } from "./urql.js";

const titles = (data?: TaskListQuery) => data?.tasks.edges.map(({ node }) => node.title);
const TITLE = "query ($id: ID!) { task(id: $id) { title } }";
const COMPLETED = "query ($id: ID!) { task(id: $id) { completed } }";

/** Everything that a component would be shown of the list, one after the other. */
function watch(client: ReturnType<typeof urqlClient>) {
  const shown: { titles?: string[]; completed?: boolean[]; stale: boolean }[] = [];
  pipe(
    client.query(TaskList, { first: 10 }),
    subscribe(({ data, stale }) =>
      shown.push({
        titles: titles(data),
        completed: data?.tasks.edges.map(({ node }) => node.completed),
        stale,
      }),
    ),
  );
  return shown;
}

/** The type of what a mutation's one field has answered. */
function outcomeIn({ __typename, ...fields }: { __typename: string }): string | undefined {
  return (Object.values(fields) as { __typename: string }[])[0]?.__typename;
}

/** A storage like IndexedDB's, which outlives the client. */
function memory() {
  let entries: SerializedEntries = {};
  let requests: Parameters<NonNullable<StorageAdapter["writeMetadata"]>>[0] = [];
  let goOnline: () => void = () => undefined;
  return {
    goOnline: () => goOnline(),
    requests: () => requests,
    storage: {
      readData: async () => structuredClone(entries),
      writeData: async (delta) => {
        entries = { ...entries, ...structuredClone(delta) };
      },
      readMetadata: async () => structuredClone(requests),
      writeMetadata: (json) => {
        requests = structuredClone(json);
      },
      onOnline: (callback) => {
        goOnline = callback;
      },
    } satisfies StorageAdapter,
  };
}

test("urql: three pages become one list", async () => {
  await addTasks("1", "2", "3", "4", "5");
  const client = urqlClient(url, sessionOf(token));
  const pages = [];
  let after: string | null | undefined;
  do {
    const { data } = await client.query(TaskList, { first: 2, after }).toPromise();
    pages.push(titles(data));
    after = data?.tasks.pageInfo.hasNextPage ? data.tasks.pageInfo.endCursor : undefined;
  } while (after);
  assert.deepEqual(pages, [
    ["5", "4"],
    ["5", "4", "3", "2"],
    ["5", "4", "3", "2", "1"],
  ]);
});

test("urql: Graphcache has nothing to complain of", async (context) => {
  const warn = context.mock.method(console, "warn", () => undefined);
  const complain = context.mock.method(console, "error", () => undefined);
  const [one, two] = await addTasks("Milk", "Bread");
  const client = urqlClient(url, sessionOf(token));
  await client.query(TaskList, { first: 1 }).toPromise();
  const outcomes = [
    await client.mutation(CreateTask, { input: { title: "" } }).toPromise(),
    await client.mutation(CreateTask, { input: { title: "Tea" } }).toPromise(),
    await client.mutation(UpdateTask, { input: { id: one, expectedVersion: 0 } }).toPromise(),
    await client.mutation(ToggleTask, { input: { id: one } }).toPromise(),
    await client.mutation(DeleteTask, { input: { id: two } }).toPromise(),
    await client.mutation(DeleteTask, { input: { id: two } }).toPromise(),
  ];
  assert.deepEqual(
    outcomes.map(({ data, error }) => error ?? outcomeIn(data!)),
    ["InvalidInput", "Task", "VersionConflict", "Task", "DeleteTaskSuccess", "TaskNotFound"],
  );
  assert.deepEqual(
    [...warn.mock.calls, ...complain.mock.calls].map((call) => call.arguments),
    [],
  );
});

test("urql: a change shows in the list by itself", async () => {
  const [id] = await addTasks("Milk", "Bread");
  const { fetch, sent } = network();
  const client = urqlClient(url, sessionOf(token), { fetch });
  const shown = watch(client);
  await until(() => shown.length > 0);
  const asked = sent.length;
  await client.mutation(UpdateTask, { input: { id, title: "Oat milk" } }).toPromise();
  await until(() => shown.at(-1)?.titles?.[1] === "Oat milk");
  assert.equal(sent.length, asked + 1, "the list was fetched again");
});

test("urql: a conflict shows the task as it is now in the list by itself", async () => {
  const [id] = await addTasks("Milk");
  const client = urqlClient(url, sessionOf(token));
  const shown = watch(client);
  await until(() => shown.length > 0);
  const expectedVersion = await renameElsewhere(id, "Oat milk");
  const input = { id, title: "Soy milk", expectedVersion };
  const { data } = await client.mutation(UpdateTask, { input }).toPromise();
  assert.equal(data?.updateTask?.__typename, "VersionConflict");
  await until(() => shown.at(-1)?.titles?.[0] === "Oat milk");
});

test("urql: a new task shows in the list by itself", async () => {
  await addTasks("Milk");
  const client = urqlClient(url, sessionOf(token));
  const shown = watch(client);
  await until(() => shown.length > 0);
  await client.mutation(CreateTask, { input: { title: "Bread" } }).toPromise();
  await until(() => shown.at(-1)?.titles?.length === 2);
  assert.deepEqual(shown.at(-1)?.titles, ["Bread", "Milk"]);
});

test("urql: a deleted task leaves the list by itself", async () => {
  const [id] = await addTasks("Milk", "Bread");
  const client = urqlClient(url, sessionOf(token));
  const shown = watch(client);
  await until(() => shown.length > 0);
  await client.mutation(DeleteTask, { input: { id } }).toPromise();
  await until(() => shown.at(-1)?.titles?.length === 1);
  assert.deepEqual(shown.at(-1)?.titles, ["Bread"]);
});

test("urql: a tick shows before the server has answered", async () => {
  const [id] = await addTasks("Milk");
  const wire = network();
  const client = urqlClient(url, sessionOf(token), { fetch: wire.fetch });
  const shown = watch(client);
  await until(() => shown.length > 0);
  let letGo = () => {};
  wire.held = new Promise((resolve) => (letGo = resolve));
  const toggled = client.mutation(UpdateTask, { input: { id, completed: true } }).toPromise();
  await until(() => shown.at(-1)?.completed?.[0] === true);
  assert.deepEqual(await ask(COMPLETED, { id }), { task: { completed: false } });
  letGo();
  await toggled;
  assert.equal(shown.at(-1)?.completed?.[0], true);
  assert.deepEqual(await ask(COMPLETED, { id }), { task: { completed: true } });
});

test("urql: a tick that failed is taken back", async () => {
  const [id] = await addTasks("Milk");
  const client = urqlClient(url, sessionOf(token));
  const shown = watch(client);
  await until(() => shown.length > 0);
  const input = { id, completed: true, expectedVersion: 0 };
  await client.mutation(UpdateTask, { input }).toPromise();
  const seen = shown.map(({ completed }) => completed?.[0]);
  assert.ok(seen.includes(true));
  assert.equal(seen.at(-1), false);
});

test("urql: an expired token is renewed and nobody notices", async () => {
  await addTasks("Milk");
  const { fetch, sent } = network();
  const session = sessionOf(expiredToken, token);
  const client = urqlClient(url, session, { fetch });
  const { data, error } = await client.query(TaskList, { first: 10 }).toPromise();
  assert.equal(error, undefined);
  assert.deepEqual(titles(data), ["Milk"]);
  assert.deepEqual(session.left, []);
  assert.equal(sent[0].status, 401);
  assert.equal(sent[0].answer.errors?.[0].extensions.code, "UNAUTHENTICATED");
});

test("urql: a token that cannot be renewed is an error with its code", async () => {
  const session = sessionOf(expiredToken, expiredToken);
  const { data, error } = await urqlClient(url, session).query(TaskList, { first: 10 }).toPromise();
  assert.equal(data, undefined);
  assert.equal(codeOf(error), "UNAUTHENTICATED");
  assert.deepEqual(session.left, []);
});

test("urql: a document is sent once, and asked for by its hash from then on", async () => {
  const { fetch, sent } = network();
  const client = urqlClient(url, sessionOf(token), { fetch });
  const query = renamed(TaskList);
  const options = { requestPolicy: "network-only" } as const;
  await client.query(query, { first: 10 }, options).toPromise();
  await client.query(query, { first: 10 }, options).toPromise();
  assert.deepEqual(
    sent.map(({ method, text, hash, status }) => ({ method, text, hash, status })),
    [
      { method: "POST", text: false, hash: true, status: 200 },
      { method: "POST", text: true, hash: true, status: 200 },
      { method: "POST", text: false, hash: true, status: 200 },
    ],
  );
  assert.equal(sent[0].answer.errors?.[0].message, "PersistedQueryNotFound");
});

test("urql: what is done offline is sent when the network is back, after a restart too", async () => {
  const [milk, bread] = await addTasks("Milk", "Bread");
  const { storage, requests, goOnline } = memory();
  const wire = network();
  const options = { storage, fetch: wire.fetch };
  const before = urqlClient(url, sessionOf(token), options);
  const shown = watch(before);
  await until(() => shown.length > 0);

  wire.online = false;
  for (const id of [milk, bread]) {
    pipe(
      before.mutation(UpdateTask, {
        input: { id, completed: true, idempotencyKey: crypto.randomUUID() },
      }),
      subscribe(() => undefined),
    );
  }
  await until(() => requests().length === 2);
  assert.deepEqual(shown.at(-1)?.completed, [true, true]);
  assert.deepEqual(await ask(COMPLETED, { id: milk }), { task: { completed: false } });

  const after = urqlClient(url, sessionOf(token), options);
  const restored = watch(after);
  await until(() => restored.length > 0);
  assert.deepEqual(restored.at(-1)?.titles, ["Bread", "Milk"]);
  wire.online = true;
  goOnline();
  for (const id of [milk, bread]) {
    await until(async () => {
      const { task } = await ask<{ task: { completed: boolean } }>(COMPLETED, { id });
      return task.completed;
    });
  }
});

test("urql: what was done though its answer was lost is not done again by the queue", async () => {
  const [milk] = await addTasks("Milk");
  const { storage, requests } = memory();
  const wire = network();
  const options = { storage, fetch: wire.fetch };
  const before = urqlClient(url, sessionOf(token), options);
  const shown = watch(before);
  await until(() => shown.length > 0);

  wire.losesAnswers = true;
  const input = { id: milk, title: "Oat milk", idempotencyKey: crypto.randomUUID() };
  pipe(
    before.mutation(UpdateTask, { input }),
    subscribe(() => undefined),
  );
  await until(() => requests().length === 1);
  await renameElsewhere(milk!, "Soy milk");

  // The browser is closed, and opened again when the network is back.
  wire.losesAnswers = false;
  const sent = wire.sent.length;
  urqlClient(url, sessionOf(token), options);
  await until(() => wire.sent.length > sent);
  // Had it been done twice, it would have undone what was changed since.
  assert.deepEqual(await ask(TITLE, { id: milk }), { task: { title: "Soy milk" } });
  assert.equal(wire.sent.at(-1)!.answer.errors, undefined);
  assert.deepEqual(requests(), []);
});

const FAILURES = () => [
  refusal("SERVICE_UNAVAILABLE", 503),
  page(),
  refusal("IDEMPOTENCY_CONCURRENT_REQUEST", 200),
  null,
];

test("urql: a change with a key is sent until it is answered, and done once", async (context) => {
  const waits = shortened(context);
  const wire = network();
  const client = urqlClient(url, sessionOf(token), { fetch: wire.fetch });
  wire.failures = FAILURES();
  const input = { title: "Milk", idempotencyKey: crypto.randomUUID() };
  const { data } = await client.mutation(CreateTask, { input }).toPromise();
  assert.equal(data?.createTask?.__typename, "Task");
  assert.deepEqual([wire.failures.length, wire.sent.length, waits.length], [0, 2, 4]);
  assert.ok(waits[0]! >= 7000, "not as long as the answer asks for");
  assert.deepEqual(await ask("{ tasks { nodes { title } } }"), {
    tasks: { nodes: [{ title: "Milk" }] },
  });
});

test("urql: a change without a key is not sent again", async () => {
  for (const failure of FAILURES()) {
    const wire = network();
    const client = urqlClient(url, sessionOf(token), { fetch: wire.fetch });
    wire.failures = [failure, null];
    const input = { title: "Milk" };
    const { error } = await client.mutation(CreateTask, { input }).toPromise();
    assert.ok(error);
    assert.equal(wire.failures.length, 1);
  }
});

test("urql: a query is sent until it is answered", async (context) => {
  shortened(context);
  const wire = network();
  const client = urqlClient(url, sessionOf(token), { fetch: wire.fetch });
  wire.failures = FAILURES();
  const { data } = await client.query(TaskList, { first: 10 }).toPromise();
  assert.deepEqual(titles(data), []);
});

test("urql: what the queue keeps is sent by itself until it is answered, and done once", async (context) => {
  shortened(context);
  const [milk] = await addTasks("Milk");
  const { storage, requests } = memory();
  const wire = network();
  const client = urqlClient(url, sessionOf(token), { storage, fetch: wire.fetch });
  const shown = watch(client);
  await until(() => shown.length > 0);
  wire.failures = FAILURES();
  const input = { id: milk, completed: true, idempotencyKey: crypto.randomUUID() };
  const { data } = await client.mutation(UpdateTask, { input }).toPromise();
  assert.equal(data?.updateTask?.__typename, "Task");
  assert.deepEqual([wire.failures, requests()], [[], []]);
  assert.equal(shown.at(-1)?.completed?.[0], true);
});
