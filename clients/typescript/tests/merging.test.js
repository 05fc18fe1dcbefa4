// Acts that meet: with each other before they are sent, and with what somebody else has changed.
import { pass, settle, settleSoon, stopTime } from "./support/clock.js";
import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { open, refused, waiting } from "./support/outbox.js";

settleSoon();
afterEach(stopTime);

async function opened() {
  const at = await open();
  const id = at.ids.task();
  const { version } = at.server.do("createTask", { id, title: "Flour", description: "White" });
  at.server.done = [];
  const elsewhere = (fields) => at.server.write("elsewhere", { ...at.server.tasks.get(id), ...fields });
  return { ...at, id, version, elsewhere };
}

async function sent(at) {
  at.outbox.start();
  await pass(1000);
  return at.server.tasks.get(at.id);
}

test("edits of the same field become one", async () => {
  const at = await opened();
  await at.outbox.act("updateTask", { id: at.id, title: "Rye", expectedVersion: at.version }, { title: "Flour" });
  await at.outbox.act("updateTask", { id: at.id, title: "Rye flour", expectedVersion: at.version }, { title: "Rye" });
  const [entry, ...others] = at.outbox.entries();
  assert.deepEqual(others, []);
  assert.deepEqual(entry.input, { id: at.id, title: "Rye flour", expectedVersion: at.version });
  assert.deepEqual(entry.seen, { title: "Flour" });
});

test("edits of other fields, and those with something of the thing in between, stay two", async () => {
  const at = await opened();
  await at.outbox.act("updateTask", { id: at.id, title: "Rye" });
  await at.outbox.act("updateTask", { id: at.id, priority: "HIGH" });
  await at.outbox.act("moveTask", { id: at.id, place: { first: true } });
  await at.outbox.act("updateTask", { id: at.id, priority: "LOW" });
  assert.equal(at.outbox.entries().length, 4);
});

test("what may have been sent is left as it is", async () => {
  const at = await opened();
  at.server.always = () => Promise.reject(new TypeError());
  await at.outbox.act("updateTask", { id: at.id, title: "Rye" });
  await sent(at);
  await at.outbox.act("updateTask", { id: at.id, title: "Rye flour" });
  assert.equal(at.outbox.entries().length, 2);
});

test("tick and untick cancel out, and a third time ticks", async () => {
  const at = await opened();
  const tick = (completed) => at.outbox.act("updateTask", { id: at.id, completed, today: "2026-01-01" });
  await tick(true);
  const { key } = await tick(false);
  assert.deepEqual(at.outbox.entries(), []);
  await at.outbox.takeBack(key);
  assert.equal(at.outbox.entries()[0].input.completed, true);
  await tick(false);
  await tick(true);
  assert.equal((await sent(at)).completed, true);
  assert.equal(at.server.done.length, 1);
});

test("an edit back to what was seen is none", async () => {
  const at = await opened();
  await at.outbox.act("updateTask", { id: at.id, labels: ["a"] }, { labels: [] });
  await at.outbox.act("updateTask", { id: at.id, labels: [] }, { labels: ["a"] });
  assert.deepEqual(at.outbox.entries(), []);
});

test("of edits that became one, the last alone is taken back", async () => {
  const at = await opened();
  const edit = (title, was) => at.outbox.act("updateTask", { id: at.id, title }, { title: was });
  const first = await edit("Rye", "Flour");
  const second = await edit("Rye flour", "Rye");
  assert.equal(await at.outbox.takeBack(second.key), "removed");
  assert.equal(at.outbox.entries()[0].input.title, "Rye");
  assert.equal(await at.outbox.takeBack(first.key), "removed");
  assert.deepEqual(at.outbox.entries(), []);
});

test("of edits that became one and were sent, the last alone is taken back", async () => {
  const at = await opened();
  await at.outbox.act("updateTask", { id: at.id, title: "Rye" });
  const { key } = await at.outbox.act("updateTask", { id: at.id, title: "Rye flour" });
  await sent(at);
  assert.equal(await at.outbox.takeBack(key), "undone");
  assert.equal((await sent(at)).title, "Rye");
  assert.equal(at.server.done[1], `undo ${key}`);
});

test("what was never sent leaves the queue, with what is about it alone", async () => {
  const at = await opened();
  const made = at.ids.task();
  const { key } = await at.outbox.act("createTask", { id: made, title: "Salt" });
  await at.outbox.act("updateTask", { id: made, completed: true });
  await at.outbox.act("createTask", { id: at.ids.task(), title: "Sub", parentId: made });
  await at.outbox.act("moveTask", { id: at.id, place: { before: made } });
  await at.outbox.act("deleteTasks", { ids: [made, at.id] });
  assert.equal(await at.outbox.takeBack(key), "removed");
  assert.deepEqual(
    at.outbox.entries().map(({ input }) => input),
    [{ id: at.id, place: { last: true } }, { ids: [at.id] }],
  );
});

test("what was thrown away is not sent; what was under way may have been done", async () => {
  const at = await opened();
  await at.outbox.act("updateTask", { id: at.id, title: "Rye" });
  await at.outbox.act("updateTask", { id: at.id, completed: true });
  const [{ seq }] = at.outbox.entries();
  await at.outbox.throwAway(seq);
  assert.equal((await sent(at)).title, "Flour");
  assert.equal(at.server.tasks.get(at.id).completed, true);
});

test("what only others have changed is theirs, what only I have changed is mine, and nobody is asked", async () => {
  const at = await opened();
  const { key } = await at.outbox.act(
    "updateTask",
    { id: at.id, title: "Rye", description: "White", expectedVersion: at.version },
    { title: "Flour", description: "White" },
  );
  at.elsewhere({ description: "Brown" });
  const { title, description } = await sent(at);
  assert.deepEqual({ title, description }, { title: "Rye", description: "Brown" });
  assert.deepEqual(refused(at), []);
  await at.outbox.takeBack(key);
  await pass(1000);
  assert.notEqual(at.server.done.at(-1), `undo ${key}`, "the server knows it by another key");
});

test("what both have changed is told, the rest is done", async () => {
  const at = await opened();
  await at.outbox.act(
    "updateTask",
    { id: at.id, title: "Rye", description: "Mine", priority: "HIGH", expectedVersion: at.version },
    { title: "Flour", description: "White", priority: null },
  );
  at.elsewhere({ description: "Theirs" });
  const { title, description, priority } = await sent(at);
  assert.deepEqual({ title, description, priority }, { title: "Rye", description: "Theirs", priority: "HIGH" });
  const [{ seq, fields, current, entry }] = at.outbox.refused();
  assert.deepEqual(fields, ["description"]);
  assert.equal(current.description, "Theirs");
  assert.equal(entry.input.description, "Mine");
  // "Keep mine."
  await at.outbox.again(seq);
  assert.equal((await sent(at)).description, "Mine");
  assert.deepEqual(refused(at), []);
});

test("without what was seen, what differs is told", async () => {
  const at = await opened();
  await at.outbox.act("updateTask", { id: at.id, title: "Rye", expectedVersion: at.version });
  at.elsewhere({ priority: "LOW" });
  await sent(at);
  assert.deepEqual(refused(at), [`updateTask ${at.id}: VersionConflict`]);
});

test("an edit and a deletion behind acts of my own meet no conflict", async () => {
  const at = await opened();
  await at.outbox.act("updateTask", { id: at.id, completed: true });
  await at.outbox.act("updateTask", { id: at.id, title: "Rye", expectedVersion: at.version }, { title: "Flour" });
  await at.outbox.act("updateTask", { id: at.id, description: "Brown", expectedVersion: at.version }, { description: "White" });
  await at.outbox.act(
    "deleteTask",
    { id: at.id, expectedVersion: at.version },
    { title: "Rye", description: "Brown", completed: true },
  );
  await sent(at);
  assert.deepEqual(refused(at), []);
  assert.deepEqual(at.server.done.map((done) => done.split(" ")[0]), ["updateTask", "updateTask", "updateTask", "deleteTask"]);
  assert.equal(at.server.requests.length, 4, "each is sent once");
});

test("a deletion of what was changed elsewhere asks", async () => {
  const at = await opened();
  await at.outbox.act("deleteTask", { id: at.id, expectedVersion: at.version }, { title: "Flour", description: "White" });
  at.elsewhere({ title: "Rye" });
  await sent(at);
  const [{ seq, fields, current }] = at.outbox.refused();
  assert.deepEqual([fields, current.title], [["title"], "Rye"]);
  // "Delete it all the same."
  await at.outbox.again(seq);
  await settle();
  await pass(1000);
  assert.ok(at.server.tasks.get(at.id).deletedAt);
  assert.deepEqual([refused(at), waiting(at)], [[], []]);
});

test("a deletion of what has another version and is as it was seen does not ask", async () => {
  const at = await opened();
  await at.outbox.act("deleteTask", { id: at.id, expectedVersion: at.version }, { title: "Flour" });
  at.elsewhere({ position: "z" });
  await sent(at);
  assert.ok(at.server.tasks.get(at.id).deletedAt);
});
