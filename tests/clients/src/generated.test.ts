/** What graphql-codegen and gql.tada make of the schema, against a running server. */

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";

import manifest from "./gql/persisted-documents.json" with { type: "json" };
import { CreateTask, TaskList, UpdateTask } from "./operations.js";
import { complaint } from "./outcomes.js";
import { PendingTasks } from "./tada.js";
import { addTasks, sessionOf, token, url } from "./testing.js";
import { codeOf, urqlClient } from "./urql.js";

test("codegen: types hold the compiler to the schema", async () => {
  const [id] = await addTasks("Milk");
  const client = urqlClient(url, sessionOf(token));
  // @ts-expect-error -- a title is text
  const { error } = await client.mutation(UpdateTask, { input: { id, title: 7 } }).toPromise();
  assert.equal(codeOf(error), "BAD_USER_INPUT");
  const { data } = await client
    .query(TaskList, { first: 10, filter: { status: "PENDING" } })
    .toPromise();
  const [edge] = data!.tasks.edges;
  // @ts-expect-error -- the field was not asked for
  assert.equal(edge.node.updatedAt, undefined);
  const created: string = edge.node.createdAt;
  assert.ok(Date.parse(created) <= Date.now() + 60_000);
  // @ts-expect-error -- it is a string: JSON has no dates
  const date: Date = edge.node.createdAt;
  assert.equal(typeof date, "string");
});

test("codegen: each outcome of a mutation has a sentence for the form", async () => {
  const client = urqlClient(url, sessionOf(token));
  const { data } = await client.mutation(CreateTask, { input: { title: "Milk" } }).toPromise();
  const task = data!.createTask!;
  assert.ok(task.__typename === "Task");
  const update = async (input: { id: string; title: string; expectedVersion?: number }) =>
    complaint((await client.mutation(UpdateTask, { input }).toPromise()).data!.updateTask);
  const { id, version } = task;
  assert.equal(await update({ id, title: "Oat milk", expectedVersion: version }), undefined);
  assert.match((await update({ id, title: " " }))!, /^title: /);
  assert.match((await update({ id, title: "Soy milk", expectedVersion: version }))!, /“Oat milk”/);
  assert.ok(await update({ id: "0", title: "Tea" }));
});

test("codegen: the manifest has each document under its hash, and the server takes them", async () => {
  const send = async (request: object) => {
    const response = await fetch(url, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
      body: JSON.stringify(request),
    });
    return JSON.stringify(await response.json());
  };
  assert.equal(Object.keys(manifest).length, 7);
  for (const [key, query] of Object.entries(manifest)) {
    const sha256Hash = createHash("sha256").update(query).digest("hex");
    assert.equal(key, `sha256:${sha256Hash}`);
    const extensions = { persistedQuery: { version: 1, sha256Hash } };
    await send({ query, extensions });
    assert.doesNotMatch(await send({ extensions }), /PersistedQueryNotFound|GRAPHQL_/);
  }
});

test("gql.tada: types come from the schema alone", async () => {
  await addTasks("Milk");
  const client = urqlClient(url, sessionOf(token));
  const { data } = await client.query(PendingTasks, { first: 10 }).toPromise();
  const [task] = data!.tasks.nodes;
  const title: string = task.title;
  assert.equal(title, "Milk");
  const created: string = task.createdAt;
  assert.ok(created);
  // @ts-expect-error -- the field was not asked for
  assert.equal(task.description, undefined);
  // @ts-expect-error -- the variable is needed
  const { error } = await client.query(PendingTasks, {}).toPromise();
  assert.equal(codeOf(error), "BAD_USER_INPUT");
});
