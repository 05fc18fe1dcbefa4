/** Apollo Client against a running server. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { gql } from "@apollo/client";

import { apolloClient, codeOf, createTask, deleteTask } from "./apollo.js";
import { CreateTask, TaskList, UpdateTask } from "./operations.js";
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
import type { TaskListQuery } from "./gql/graphql.js";

const variables = { first: 10 };
const titles = (data: Pick<TaskListQuery, "tasks">) => data.tasks.edges.map(({ node }) => node.title);

/** A list as a component watches it, and all that it would be shown, one after the other. */
function watch(client: ReturnType<typeof apolloClient>, first: number) {
  const shown: TaskListQuery[] = [];
  const list = client.watchQuery({
    query: TaskList,
    variables: { first },
    notifyOnNetworkStatusChange: false,
  });
  list.subscribe(({ data, dataState }) => {
    if (dataState === "complete") shown.push(data);
  });
  return { list, shown };
}

test("apollo: three pages become one list", async () => {
  await addTasks("1", "2", "3", "4", "5");
  const { list, shown } = watch(apolloClient(url, sessionOf(token)), 2);
  await until(() => shown.length === 1);
  for (const length of [4, 5]) {
    const { hasNextPage, endCursor } = shown.at(-1)!.tasks.pageInfo;
    assert.ok(hasNextPage);
    await list.fetchMore({ variables: { after: endCursor } });
    await until(() => titles(shown.at(-1)!).length === length);
  }
  const { tasks } = shown.at(-1)!;
  assert.deepEqual(titles({ tasks }), ["5", "4", "3", "2", "1"]);
  assert.deepEqual([tasks.totalCount, tasks.pageInfo.hasNextPage], [5, false]);
});

test("apollo: lists of another filter are lists of their own", async () => {
  await addTasks("Milk");
  const client = apolloClient(url, sessionOf(token));
  const done = await client.query({
    query: TaskList,
    variables: { first: 10, filter: { status: "COMPLETED" } },
  });
  const all = await client.query({ query: TaskList, variables });
  assert.deepEqual(titles(done.data!), []);
  assert.deepEqual(titles(all.data!), ["Milk"]);
});

test("apollo: a change shows in the list by itself", async () => {
  const [id] = await addTasks("Milk", "Bread");
  const { fetch, sent } = network();
  const client = apolloClient(url, sessionOf(token), { fetch });
  const { shown } = watch(client, 10);
  await until(() => shown.length === 1);
  const asked = sent.length;
  const { data } = await client.mutate({
    mutation: UpdateTask,
    variables: { input: { id, title: "Oat milk" } },
  });
  assert.equal(data?.updateTask?.__typename, "Task");
  await until(() => shown.length === 2);
  assert.deepEqual(shown.map(titles), [
    ["Bread", "Milk"],
    ["Bread", "Oat milk"],
  ]);
  assert.ok(
    sent.slice(asked).every(({ name }) => name === "UpdateTask"),
    "the list was fetched again",
  );
});

test("apollo: a conflict shows the task as it is now in the list by itself", async () => {
  const [id] = await addTasks("Milk");
  const client = apolloClient(url, sessionOf(token));
  const { shown } = watch(client, 10);
  await until(() => shown.length === 1);
  const expectedVersion = await renameElsewhere(id, "Oat milk");
  const { data } = await client.mutate({
    mutation: UpdateTask,
    variables: { input: { id, title: "Soy milk", expectedVersion } },
  });
  assert.equal(data?.updateTask?.__typename, "VersionConflict");
  await until(() => shown.length === 2);
  assert.deepEqual(titles(shown[1]), ["Oat milk"]);
});

test("apollo: a deleted task leaves the list once the cache is told", async () => {
  const [id] = await addTasks("Milk", "Bread");
  const client = apolloClient(url, sessionOf(token));
  const { shown } = watch(client, 10);
  await until(() => shown.length === 1);
  await deleteTask(client, id);
  await until(() => shown.length === 2);
  assert.deepEqual(titles(shown[1]), ["Bread"]);
});

test("apollo: a new task shows in the list that is fetched again", async () => {
  await addTasks("Milk");
  const client = apolloClient(url, sessionOf(token));
  const { shown } = watch(client, 10);
  await until(() => shown.length === 1);
  await createTask(client, "Bread");
  await until(() => shown.length === 2);
  assert.deepEqual(titles(shown[1]), ["Bread", "Milk"]);
});

test("apollo: an expired token is renewed and nobody notices", async () => {
  await addTasks("Milk");
  const { fetch, sent } = network();
  const session = sessionOf(expiredToken, token);
  const client = apolloClient(url, session, { fetch });
  const { data, error } = await client.query({ query: TaskList, variables });
  assert.equal(error, undefined);
  assert.deepEqual(titles(data!), ["Milk"]);
  assert.deepEqual(session.left, []);
  assert.equal(sent[0].status, 401);
  assert.equal(sent[0].answer.errors?.[0].extensions.code, "UNAUTHENTICATED");
});

test("apollo: a token that cannot be renewed is an error with its code", async () => {
  const session = sessionOf(expiredToken, expiredToken);
  const client = apolloClient(url, session);
  const { data, error } = await client.query({ query: TaskList, variables, errorPolicy: "all" });
  assert.equal(data, undefined);
  assert.equal(codeOf(error), "UNAUTHENTICATED");
  assert.deepEqual(session.left, []);
});

test("apollo: a document is sent once, and asked for by its hash from then on", async () => {
  const { fetch, sent } = network();
  const client = apolloClient(url, sessionOf(token), { fetch });
  const query = renamed(TaskList);
  await client.query({ query, variables });
  await client.query({ query, variables, fetchPolicy: "network-only" });
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

test("apollo: what was done though its answer was lost is not done again", async () => {
  const wire = network();
  const client = apolloClient(url, sessionOf(token), { fetch: wire.fetch });
  wire.losesAnswers = true;
  const input = { title: "Milk", idempotencyKey: crypto.randomUUID() };
  const outcome = client.mutate({ mutation: CreateTask, variables: { input } });
  await until(() => wire.sent.length > 1);
  wire.losesAnswers = false;
  const { data } = await outcome;
  assert.equal(data?.createTask?.__typename, "Task");
  assert.deepEqual(await ask("{ tasks { nodes { title } } }"), {
    tasks: { nodes: [{ title: "Milk" }] },
  });
});

const FAILURES = () => [
  refusal("SERVICE_UNAVAILABLE", 503),
  page(),
  refusal("IDEMPOTENCY_CONCURRENT_REQUEST", 200),
  null,
];

test("apollo: a change with a key is sent until it is answered, and done once", async (context) => {
  const waits = shortened(context);
  const wire = network();
  const client = apolloClient(url, sessionOf(token), { fetch: wire.fetch });
  // The server knows the document from now on, and so it is done whose answer is lost.
  await client.mutate({ mutation: CreateTask, variables: { input: { title: "" } } });
  wire.sent.length = 0;
  wire.failures = FAILURES();
  const input = { title: "Milk", idempotencyKey: crypto.randomUUID() };
  const { data } = await client.mutate({ mutation: CreateTask, variables: { input } });
  assert.equal(data?.createTask?.__typename, "Task");
  assert.deepEqual([wire.failures.length, wire.sent.length, waits.length], [0, 2, 4]);
  assert.ok(waits[0]! >= 7000, "not as long as the answer asks for");
  assert.deepEqual(await ask("{ tasks { nodes { title } } }"), {
    tasks: { nodes: [{ title: "Milk" }] },
  });
});

test("apollo: a change without a key is not sent again", async () => {
  for (const failure of FAILURES()) {
    const wire = network();
    const client = apolloClient(url, sessionOf(token), { fetch: wire.fetch });
    wire.failures = [failure, null];
    const input = { title: "Milk" };
    await assert.rejects(client.mutate({ mutation: CreateTask, variables: { input } }));
    assert.equal(wire.failures.length, 1);
  }
});

test("apollo: a query is sent until it is answered", async (context) => {
  shortened(context);
  const wire = network();
  const client = apolloClient(url, sessionOf(token), { fetch: wire.fetch });
  wire.failures = FAILURES();
  const { data } = await client.query({ query: TaskList, variables });
  assert.deepEqual(titles(data!), []);
});

test("apollo: what fails in the end is an answer, with the data that came beside it", async (context) => {
  shortened(context);
  const wire = network();
  const client = apolloClient(url, sessionOf(token), { fetch: wire.fetch });
  const error = { message: "Not now.", path: ["b"], extensions: { code: "SERVICE_UNAVAILABLE" } };
  const answer = JSON.stringify({ data: { a: "Query", b: null }, errors: [error] });
  const headers = { "content-type": "application/json" };
  wire.failures = Array.from({ length: 5 }, () => new Response(answer, { headers }));
  const query = gql("query Both { a: __typename b: me { __typename } }");
  const { data, error: failure } = await client.query({ query, errorPolicy: "all" });
  assert.deepEqual(data, { a: "Query", b: null });
  assert.equal(codeOf(failure), "SERVICE_UNAVAILABLE");
  assert.deepEqual(wire.failures, []);
});
