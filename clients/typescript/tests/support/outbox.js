// An outbox on a fake server, with the clock and the parts that tests look at.
import "fake-indexeddb/auto";
import { createTodoClient } from "../../dist/client.js";
import { createIds } from "../../dist/ids.js";
import { createOutbox } from "../../dist/outbox.js";
import { MemoryStore, openStore } from "../../dist/store.js";
import { FakeServer } from "./server.js";

let opened = 0;

/** A store that outlives an outbox. */
export const keptStore = () => openStore(`test-${++opened}`);

export async function open({ store = new MemoryStore(), server = new FakeServer(), login, ...more } = {}) {
  const ids = createIds();
  const client = createTodoClient({ url: "http://api/graphql", token: () => "token", fetch: server.fetch, ...login });
  const outbox = await createOutbox({ store, client, ids, ...more });
  return { outbox, server, store, ids, client };
}

/** What waits, briefly. */
export const waiting = ({ outbox }) => outbox.entries().map(({ operation, input }) => `${operation} ${input.id}`);
export const refused = ({ outbox }) => outbox.refused().map(({ entry, code }) => `${entry.operation} ${entry.input.id}: ${code}`);
