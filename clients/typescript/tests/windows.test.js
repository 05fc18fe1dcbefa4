// Several windows of one person have one queue, and one of them sends it.
import { pass, settle, stopTime, time } from "./support/clock.js";
import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { openStore } from "../dist/store.js";
import { keptStore, open, waiting } from "./support/outbox.js";
import { FakeServer } from "./support/server.js";

afterEach(stopTime);

/** What BroadcastChannel does, within one process and in no time. */
function channels() {
  const all = [];
  return () => {
    const listeners = [];
    const channel = {
      addEventListener: (_, listener) => listeners.push(listener),
      postMessage(data) {
        for (const other of all) if (other !== channel) other.hear({ data: structuredClone(data) });
      },
      hear: (message) => listeners.forEach((listener) => listener(message)),
    };
    all.push(channel);
    return channel;
  };
}

async function twoWindows() {
  const [store, server, channel] = [await keptStore(), new FakeServer(), channels()];
  const one = await open({ store, server, channel: channel() });
  const two = await open({ store, server, channel: channel() });
  return { one, two, server, store };
}

test("acts of all windows are sent in order by the one that leads, and all see how it goes", async () => {
  const { one, two, server } = await twoWindows();
  one.outbox.start();
  const states = [];
  two.outbox.subscribe(() => states.push(two.outbox.state().isSending));
  const id = two.ids.task();
  await two.outbox.act("createTask", { id, title: "Flour" });
  await one.outbox.act("updateTask", { id, completed: true });
  await two.outbox.act("updateTask", { id, title: "Rye" });
  await settle();
  assert.deepEqual(server.done, [`createTask ${id}`, `updateTask ${id}`, `updateTask ${id}`]);
  assert.deepEqual([waiting(one), waiting(two)], [[], []]);
  assert.ok(states.includes(true));
  assert.equal(two.outbox.state().isSending, false);
});

test("when the one that leads goes, another goes on", async () => {
  const { one, two, server } = await twoWindows();
  server.faults = [() => new Promise(() => {})];
  one.outbox.start();
  const id = one.ids.task();
  await one.outbox.act("createTask", { id, title: "Flour" });
  await settle();
  await one.outbox.stop();
  two.outbox.start();
  await settle();
  assert.deepEqual(server.done, [`createTask ${id}`]);
});

test("any window has it sent now, and opens as the others are", async () => {
  const { one, two, server, store } = await twoWindows();
  server.faults = [() => Promise.reject(new TypeError())];
  one.outbox.start();
  await two.outbox.act("createTask", { id: two.ids.task(), title: "Flour" });
  await settle();
  assert.equal(two.outbox.state().isOnline, false);
  two.outbox.sendNow();
  await settle();
  assert.equal(server.done.length, 1);
  store.close();
});

test("two windows that both send do nothing twice", async () => {
  const { one, two, server } = await twoWindows();
  const ids = Array.from({ length: 5 }, () => one.ids.task());
  for (const id of ids) await one.outbox.act("createTask", { id, title: "Flour" });
  await two.outbox.reload();
  one.outbox.start();
  two.outbox.start();
  for (let turn = 0; turn < 10; turn++) await pass(6_000);
  assert.deepEqual(server.done, ids.map((id) => `createTask ${id}`));
  assert.deepEqual([waiting(one), waiting(two)], [[], []]);
});

test("ids are greater than those that other windows have made", async () => {
  const { one, two } = await twoWindows();
  one.ids.correct(time() + 3_600_000);
  const id = one.ids.task();
  await one.outbox.act("createTask", { id, title: "Flour" });
  await settle();
  for (let times = 0; times < 5; times++) assert.ok(Number(two.ids.task()) > Number(id));
});

test("snapshots are the same objects until something changes", async () => {
  const { one } = await twoWindows();
  const before = [one.outbox.entries(), one.outbox.refused(), one.outbox.state()];
  assert.ok([one.outbox.entries(), one.outbox.refused(), one.outbox.state()].every((now, at) => now === before[at]));
  await one.outbox.reload();
  assert.equal(one.outbox.state(), before[2]);
  await one.outbox.act("createTask", { id: one.ids.task(), title: "Flour" });
  assert.notEqual(one.outbox.entries(), before[0]);
  assert.notEqual(one.outbox.state(), before[2]);
});

test("where the browser refuses to keep anything, the queue works and says so", async () => {
  const { indexedDB } = globalThis;
  globalThis.indexedDB = { open: () => { throw new DOMException("Not in this window.", "SecurityError"); } };
  const at = await open({ store: await openStore("refused") });
  globalThis.indexedDB = indexedDB;
  assert.equal(at.outbox.state().isKept, false);
  await at.outbox.act("createTask", { id: at.ids.task(), title: "Flour" });
  at.outbox.start();
  await settle();
  assert.equal(at.server.done.length, 1);
});

for (const [name, opened] of [["in memory", async () => (await open()).store], ["in IndexedDB", keptStore]]) {
  test(`a transaction that fails leaves nothing, ${name}`, async () => {
    const store = await opened();
    const row = { name: "cursor", value: 1 };
    await store.change(["values"], (transaction) => transaction.put("values", row));
    const failing = store.change(["values"], async (transaction) => {
      await transaction.put("values", { ...row, value: 2 });
      throw new Error("No more.");
    });
    await assert.rejects(failing, /No more/);
    assert.deepEqual(await store.read(["values"], (transaction) => transaction.all("values")), [row]);
    await store.destroy();
  });
}
