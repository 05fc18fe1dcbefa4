/** Relay, as its compiler built it, against a running server. */

import assert from "node:assert/strict";
import { afterEach, test } from "node:test";

import { Window } from "happy-dom";
import { Suspense, type ReactElement } from "react";
import { createRoot, type Root } from "react-dom/client";
import { RelayEnvironmentProvider } from "react-relay";
import type { Environment } from "relay-runtime";
import WebSocket from "ws";

import { liveClient } from "../src/live.js";
import { ask, expiredToken, network, sessionOf, token, until, url } from "../src/testing.js";
import { relayEnvironment } from "./environment";
import { Live, Lists } from "./Lists";

const window = new Window();
Object.assign(globalThis, { window, document: window.document });

// Relay keeps what is shown no more for five minutes. The process need not wait for that.
const wait = globalThis.setTimeout;
globalThis.setTimeout = ((...given: Parameters<typeof wait>) => {
  const timer = wait(...given);
  return given[1]! > 60_000 ? timer.unref() : timer;
}) as typeof wait;

let root: Root | undefined;
const complaints: unknown[] = [];
// Relay complains here where a schema is not what it expects.
console.error = console.warn = (...said: unknown[]) => void complaints.push(said);

afterEach(() => {
  root?.unmount();
  assert.deepEqual(complaints, []);
});

/** Make lists of these names and titles; return the lists' ids. */
async function addLists(lists: { [name: string]: string[] }): Promise<string[]> {
  const ids = [];
  for (const [name, titles] of Object.entries(lists)) {
    const { createList } = await ask<{ createList: { id: string } }>(
      "mutation ($name: String!) { createList(input: { name: $name }) { ... on TaskList { id } } }",
      { name },
    );
    const { id: listId } = createList;
    const tasks = titles.map((title) => ({ title, listId }));
    await ask(
      "mutation ($tasks: [NewTask!]!) { createTasks(input: { tasks: $tasks }) { __typename } }",
      { tasks },
    );
    ids.push(listId);
  }
  return ids;
}

function show(environment: Environment, beside?: ReactElement) {
  const page = document.createElement("div");
  root = createRoot(page);
  root.render(
    <RelayEnvironmentProvider environment={environment}>
      <Suspense>
        <Lists />
      </Suspense>
      {beside}
    </RelayEnvironmentProvider>,
  );
  const texts = (selector: string) => [...page.querySelectorAll(selector)].map((one) => one.textContent);
  return {
    lists: () => texts("h2"),
    tasks: () => texts("li"),
    buttons: () => texts("button"),
    click(label: string) {
      const button = [...page.querySelectorAll("button")].find((one) => one.textContent === label);
      button!.click();
    },
  };
}

test("relay: pages of lists and of a list's tasks become one", async () => {
  await addLists({ Home: ["Sweep", "Iron", "Dust"], Work: [], Garden: ["Rake"] });
  const { fetch, sent } = network();
  const page = show(relayEnvironment(url, sessionOf(token), { fetch }));
  await until(() => page.lists().length === 2);
  assert.deepEqual(page.tasks(), ["Sweep", "Iron"]);

  page.click("More of Home");
  await until(() => page.tasks().length === 3);
  assert.deepEqual(page.tasks(), ["Sweep", "Iron", "Dust"]);
  page.click("More lists");
  await until(() => page.lists().length === 3);

  assert.deepEqual(page.lists(), ["Home", "Work", "Garden"]);
  assert.deepEqual(page.tasks(), ["Sweep", "Iron", "Dust", "Rake"]);
  assert.ok(!page.buttons().some((label) => label!.startsWith("More")));
  assert.deepEqual(
    sent.map(({ name }) => name),
    ["ListsQuery", "ListsTasksPageQuery", "ListsPageQuery"],
  );
});

test("relay: a list is read again by its id", async () => {
  const [id] = await addLists({ Home: ["Sweep"], Work: [] });
  const { fetch, sent } = network();
  const page = show(relayEnvironment(url, sessionOf(token), { fetch }));
  await until(() => page.lists().length === 2);
  const rename = "mutation ($input: UpdateListInput!) { updateList(input: $input) { __typename } }";
  await ask(rename, { input: { id, name: "House" } });

  page.click("Read Home again");
  await until(() => page.lists()[0] === "House");

  assert.deepEqual(page.lists(), ["House", "Work"]);
  assert.deepEqual(page.tasks(), ["Sweep"]);
  const [, again] = sent;
  assert.equal(again!.name, "ListsTasksPageQuery");
  assert.equal((again!.answer.data as { node: { id: string } }).node.id, id);
});

test("relay: what is changed and deleted elsewhere shows", async (context) => {
  const [id] = await addLists({ Home: ["Sweep"], Work: [] });
  const { changes } = await ask<{ changes: { pageInfo: { endCursor: string } } }>(
    "{ changes(first: 0) { pageInfo { endCursor } } }",
  );
  const live = liveClient(url, sessionOf(token), WebSocket);
  context.after(() => live.dispose());
  const environment = relayEnvironment(url, sessionOf(token), { live });
  const page = show(environment, <Live after={changes.pageInfo.endCursor} />);
  await until(() => page.lists().length === 2);
  const rename = "mutation ($input: UpdateListInput!) { updateList(input: $input) { __typename } }";
  await ask(rename, { input: { id, name: "House" } });
  await until(() => page.lists()[0] === "House");
  const remove = "mutation ($input: DeleteListInput!) { deleteList(input: $input) { __typename } }";
  await ask(remove, { input: { id } });
  await until(() => page.lists().length === 1);
  assert.deepEqual([page.lists(), page.tasks()], [["Work"], []]);
});

test("relay: a token that is over is renewed", async () => {
  await addLists({ Home: [] });
  const session = sessionOf(expiredToken, token);
  const page = show(relayEnvironment(url, session));
  await until(() => page.lists().length === 1);
  assert.deepEqual(session.left, []);
});
