/** Live changes with real clients against a running server. */

import assert from "node:assert/strict";
import { test } from "node:test";

import type { Client } from "graphql-ws";
import { pipe, subscribe } from "wonka";
import WebSocket from "ws";

import { apolloClient } from "./apollo.js";
import { liveClient } from "./live.js";
import { FollowChanges, TaskList } from "./operations.js";
import { addTasks, ask, expiredToken, renameElsewhere, sessionOf, token, until, url } from "./testing.js";
import { urqlClient } from "./urql.js";

const CURSOR = "{ changes(first: 0) { pageInfo { endCursor } } }";

/** The place in the feed before everything that a new user does. */
async function beginning(): Promise<string> {
  const data = await ask<{ changes: { pageInfo: { endCursor: string } } }>(CURSOR);
  return data.changes.pageInfo.endCursor;
}

/** The titles told to who follows, in their order. */
function follow(live: Client, after: string): string[] {
  const told: string[] = [];
  live.subscribe<{ changes: { node: { node: { title: string } | null } } }>(
    {
      query:
        "subscription ($after: String) { changes(after: $after) { cursor node { node { ... on Task { title } } } } }",
      variables: { after },
    },
    {
      next: ({ data }) => void told.push(data?.changes.node.node?.title ?? "gone"),
      error: (error) => void told.push(String(error)),
      complete: () => undefined,
    },
  );
  return told;
}

test("apollo: a change made elsewhere shows in the list", async () => {
  const [id] = await addTasks("before");
  const live = liveClient(url, sessionOf(token), WebSocket);
  const client = apolloClient(url, sessionOf(token), { live });
  const shown: (string | undefined)[] = [];
  client
    .watchQuery({ query: TaskList, variables: { first: 10 } })
    .subscribe(({ data }) => shown.push(data?.tasks?.edges?.[0]?.node?.title));
  await until(() => shown.at(-1) === "before");
  client
    .subscribe({ query: FollowChanges, variables: { after: await beginning() } })
    .subscribe(() => undefined);
  await renameElsewhere(id!, "after");
  await until(() => shown.at(-1) === "after");
  client.stop();
  await live.dispose();
});

test("urql: a change made elsewhere shows in the list", async () => {
  const [id] = await addTasks("before");
  const live = liveClient(url, sessionOf(token), WebSocket);
  const client = urqlClient(url, sessionOf(token), { live });
  const shown: (string | undefined)[] = [];
  pipe(
    client.query(TaskList, { first: 10 }),
    subscribe(({ data }) => shown.push(data?.tasks.edges[0]?.node.title)),
  );
  await until(() => shown.at(-1) === "before");
  pipe(
    client.subscription(FollowChanges, { after: await beginning() }),
    subscribe(() => undefined),
  );
  await renameElsewhere(id!, "after");
  await until(() => shown.at(-1) === "after");
  await live.dispose();
});

test("live: a socket that breaks is opened again, and nothing is missed", async () => {
  const live = liveClient(url, sessionOf(token), WebSocket);
  let socket: WebSocket | undefined;
  let opened = 0;
  live.on("connected", (connected) => {
    socket = connected as WebSocket;
    opened += 1;
  });
  const told = follow(live, await beginning());
  await until(() => opened === 1);
  await addTasks("first");
  await until(() => told.includes("first"));
  socket?.terminate();
  await addTasks("while it was away");
  await until(() => told.includes("while it was away") && opened === 2);
  // It went on from where it was.
  assert.deepEqual(told, ["first", "while it was away"]);
  await live.dispose();
});

test("live: a socket whose network fell asleep is given up, and nothing is missed", async () => {
  const live = liveClient(url, sessionOf(token), WebSocket, 300);
  let asleep: { pause(): void; resume(): void } | undefined;
  let opened = 0;
  live.on("opened", (socket) => {
    asleep ??= (socket as { _socket: typeof asleep })._socket;
    opened += 1;
  });
  const told = follow(live, await beginning());
  await addTasks("before");
  await until(() => told.includes("before"));
  asleep!.pause();
  await addTasks("meanwhile");
  await until(() => told.includes("meanwhile"));
  assert.deepEqual([told, opened], [["before", "meanwhile"], 2]);
  asleep!.resume();
  await live.dispose();
});

test("live: a token that is over is renewed", async () => {
  const session = sessionOf(expiredToken, token);
  const live = liveClient(url, session, WebSocket);
  const told = follow(live, await beginning());
  await addTasks("told in the end");
  await until(() => told.includes("told in the end"));
  assert.deepEqual(session.left, []);
  await live.dispose();
});
