/** Against a server that serves nothing but the documents of graphql-codegen's manifest. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { pipe, subscribe } from "wonka";
import WebSocket from "ws";

import { apolloClient } from "./apollo.js";
import { liveClient } from "./live.js";
import { CreateTask, FollowChanges, TaskList, WhereChangesEnd } from "./operations.js";
import { network, sessionOf, token, until, url } from "./testing.js";
import { urqlClient } from "./urql.js";

const input = { title: "Milk" };
const first = 10;
const BY_HASH_ALONE = { text: false, hash: true, status: 200 };

test("apollo: documents of the manifest are asked for by their hashes alone", async () => {
  const { fetch, sent } = network();
  const client = apolloClient(url, sessionOf(token), { fetch, trusted: true });
  await client.mutate({ mutation: CreateTask, variables: { input } });
  const { data } = await client.query({ query: TaskList, variables: { first } });
  assert.equal(data?.tasks.edges[0]?.node.title, "Milk");
  assert.deepEqual(sent.map(howAsked), [BY_HASH_ALONE, BY_HASH_ALONE]);
});

test("urql: documents of the manifest are asked for by their hashes alone", async () => {
  const { fetch, sent } = network();
  const client = urqlClient(url, sessionOf(token), { fetch, trusted: true });
  await client.mutation(CreateTask, { input }).toPromise();
  const { data } = await client.query(TaskList, { first }).toPromise();
  assert.equal(data?.tasks.edges[0]?.node.title, "Milk");
  assert.deepEqual(sent.map(howAsked), [BY_HASH_ALONE, BY_HASH_ALONE]);
});

test("live: a document of the manifest is followed", async () => {
  const live = liveClient(url, sessionOf(token), WebSocket);
  const client = urqlClient(url, sessionOf(token), { live, trusted: true });
  const told: unknown[] = [];
  const { data } = await client.query(WhereChangesEnd, {}).toPromise();
  pipe(
    client.subscription(FollowChanges, { after: data?.changes.pageInfo.endCursor }),
    subscribe(({ data }) => told.push(data?.changes.node.node)),
  );
  await client.mutation(CreateTask, { input }).toPromise();
  await until(() => JSON.stringify(told).includes("Milk"));
  await live.dispose();
});

function howAsked({ text, hash, status }: ReturnType<typeof network>["sent"][number]) {
  return { text, hash, status };
}
