// The rules of the queue, one by one.
import { pass, settle, settleSoon, stopTime, time, untilNext } from "./support/clock.js";
import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { open, refused, waiting } from "./support/outbox.js";
import { json, page, problem } from "./support/answers.js";
import { FakeServer } from "./support/server.js";

const DAY = 86_400_000;

settleSoon();
afterEach(stopTime);

/** An outbox that sends, and a task that the server has. */
async function sending(given) {
  const at = await open(given);
  const id = at.ids.task();
  at.server.do("createTask", { id, title: "Flour" });
  at.server.done = [];
  return { ...at, id };
}

async function sent(at) {
  at.outbox.start();
  await pass(1000);
}

const down = (after) => () => json(problem("SERVICE_UNAVAILABLE"), 503, after && { "retry-after": after });

test("waits grow to a minute, each scattered by half", async () => {
  const at = await sending();
  await at.outbox.act("updateTask", { id: at.id, title: "Rye" });
  at.server.always = down();
  at.outbox.start();
  for (const seconds of [1, 2, 4, 8, 16, 32, 60, 60, 60]) {
    await settle();
    const wait = untilNext();
    assert.ok(wait >= seconds * 500 && wait <= seconds * 1500, `${wait} ms instead of ${seconds} s`);
    await pass(wait);
  }
});

test("an answer says how long to wait, in seconds or by a date", async () => {
  const at = await sending();
  await at.outbox.act("updateTask", { id: at.id, title: "Rye" });
  at.server.faults = [down("7"), () => down(new Date(time() + 20_000).toUTCString())(), down("999999")];
  at.outbox.start();
  await settle();
  assert.equal(untilNext(), 7000);
  await pass(7000);
  assert.ok(untilNext() > 18_000 && untilNext() <= 20_000);
  await pass(20_000);
  assert.ok(untilNext() <= 3_600_000, "no more than an hour");
});

test("new acts do not cut a wait, a network that is back does", async () => {
  const at = await sending();
  await at.outbox.act("updateTask", { id: at.id, title: "Rye" });
  at.server.faults = [down("60"), down("60")];
  at.outbox.start();
  await settle();
  await at.outbox.act("deleteTask", { id: at.id });
  await settle();
  assert.equal(at.server.requests.length, 1);
  at.outbox.setOnline(true);
  await settle();
  assert.equal(at.server.requests.length, 2);
  at.outbox.sendNow();
  await settle();
  assert.deepEqual(at.server.done, [`updateTask ${at.id}`, `deleteTask ${at.id}`]);
});

test("a network that is back while a request hangs has it sent again without a wait", async () => {
  const at = await sending();
  await at.outbox.act("updateTask", { id: at.id, title: "Rye" });
  at.server.faults = [(_, { signal }) => new Promise((_, reject) => signal.addEventListener("abort", reject))];
  at.outbox.start();
  await settle();
  at.outbox.setOnline(true);
  await pass(15_000);
  assert.equal(at.server.done.length, 1);
});

test("nothing is tried while the browser knows of no network, but for once a minute", async () => {
  const at = await sending();
  const events = new EventTarget();
  globalThis.addEventListener = events.addEventListener.bind(events);
  globalThis.removeEventListener = events.removeEventListener.bind(events);
  Object.defineProperty(globalThis, "navigator", { value: { onLine: false }, configurable: true });
  at.server.always = () => Promise.reject(new TypeError("Failed to fetch"));
  await at.outbox.act("updateTask", { id: at.id, title: "Rye" });
  at.outbox.start();
  await pass(59_000);
  assert.equal(at.server.requests.length, 0);
  assert.equal(at.outbox.state().isOnline, false);
  await pass(2000);
  assert.equal(at.server.requests.length, 1);
  at.server.always = undefined;
  navigator.onLine = true;
  events.dispatchEvent(new Event("online"));
  await settle();
  assert.equal(at.server.done.length, 1);
  await at.outbox.stop();
  delete globalThis.addEventListener;
  delete globalThis.removeEventListener;
});

test("a token that is over is renewed once, and the act is sent again", async () => {
  const tokens = ["old", "new"];
  const server = new FakeServer();
  server.tokens = new Set(["new"]);
  const at = await sending({ server, login: { token: () => tokens.shift() } });
  await at.outbox.act("updateTask", { id: at.id, title: "Rye" });
  await sent(at);
  assert.equal(server.done.length, 1);
  assert.equal(at.outbox.state().isSignedOut, false);
});

test("without a session the queue rests, and goes on after the sign-in", async () => {
  let token = null;
  const at = await sending({ login: { token: () => token } });
  await at.outbox.act("updateTask", { id: at.id, title: "Rye" });
  await sent(at);
  assert.equal(at.outbox.state().isSignedOut, true);
  assert.deepEqual(at.server.requests, []);
  assert.equal(untilNext(), undefined);
  token = "token";
  at.outbox.sendNow();
  await settle();
  assert.equal(at.server.done.length, 1);
  assert.equal(at.outbox.state().isSignedOut, false);
});

test("nothing is sent with the token of another person", async () => {
  const tokenOf = (sub) => `x.${Buffer.from(JSON.stringify({ sub })).toString("base64url")}.x`;
  const server = new FakeServer();
  server.tokens = new Set([tokenOf("ada"), tokenOf("Grace Ö")]);
  let who = "ada";
  const at = await sending({ server, login: { token: () => tokenOf(who), user: "Grace Ö" } });
  await at.outbox.act("updateTask", { id: at.id, title: "Rye" });
  await sent(at);
  assert.deepEqual(server.requests, []);
  assert.equal(at.outbox.state().isSignedOut, true);
  who = "Grace Ö";
  at.outbox.sendNow();
  await settle();
  assert.equal(server.done.length, 1);
});

test("an auth server that does not answer is no sign-out", async () => {
  let isUp = false;
  const token = () => (isUp ? "token" : Promise.reject(new TypeError("Failed to fetch")));
  const at = await sending({ login: { token } });
  await at.outbox.act("updateTask", { id: at.id, title: "Rye" });
  await sent(at);
  assert.equal(at.outbox.state().isSignedOut, false);
  isUp = true;
  await pass(10_000);
  assert.equal(at.server.done.length, 1);
});

test("a token that never comes is asked for again", async () => {
  let asked = 0;
  const token = () => (++asked === 1 ? new Promise(() => {}) : "token");
  const at = await sending({ login: { token } });
  await at.outbox.act("updateTask", { id: at.id, title: "Rye" });
  at.outbox.start();
  await pass(20_000);
  assert.equal(at.server.done.length, 1);
});

for (const [name, answer] of [
  ["a change that the API has a fault with", () => json(problem("INTERNAL_SERVER_ERROR"), 500)],
  ["a change that has a fault in its field", () => json(problem("INTERNAL_SERVER_ERROR", { outcome: null }))],
  ["a change that something in between does not let pass", () => page(403)],
]) {
  test(`${name} is set aside with those of its thing, and the rest go on`, async () => {
    const at = await sending();
    const [other, below] = [at.ids.task(), at.ids.task()];
    at.server.do("createTask", { id: other, title: "Salt" });
    at.server.done = [];
    let isMended = false;
    at.server.always = (ask, { request }) =>
      request.variables.input?.title === "Rye" && !isMended ? answer() : ask();
    await at.outbox.act("updateTask", { id: at.id, title: "Rye" });
    await at.outbox.act("createTask", { id: below, title: "Sub", parentId: at.id });
    await at.outbox.act("updateTask", { id: other, completed: true });
    await at.outbox.act("updateTask", { id: below, completed: true });
    at.outbox.start();
    await pass(60_000);
    assert.deepEqual(at.server.done, [`updateTask ${other}`]);
    assert.equal(at.server.requests.filter(({ variables }) => variables.input?.title === "Rye").length, 5);
    const { waiting: left, parked } = at.outbox.state();
    assert.deepEqual({ left, parked }, { left: 0, parked: 3 });
    at.outbox.sendNow();
    await pass(1000);
    assert.equal(at.outbox.state().parked, 3, "once more, and no more than once");
    isMended = true;
    at.outbox.sendNow();
    await pass(1000);
    assert.deepEqual(at.server.done.slice(1), [`updateTask ${at.id}`, `createTask ${below}`, `updateTask ${below}`]);
    assert.deepEqual([waiting(at), refused(at)], [[], []]);
  });
}

test("a fault of all the server sets nothing aside", async () => {
  const at = await sending();
  await at.outbox.act("updateTask", { id: at.id, title: "Rye" });
  at.server.always = () => json(problem("INTERNAL_SERVER_ERROR"), 500);
  at.outbox.start();
  await pass(600_000);
  assert.equal(at.outbox.state().parked, 0);
});

for (const [days, keys] of [[1, 1], [8, 2]]) {
  test(`after ${days} days an edit is sent under ${keys === 1 ? "its" : "another"} key`, async () => {
    const at = await sending();
    const { key } = await at.outbox.act("updateTask", { id: at.id, title: "Rye" });
    at.server.always = down();
    at.outbox.start();
    await settle();
    await at.outbox.stop();
    await pass(days * DAY);
    at.server.always = undefined;
    at.outbox.start();
    await pass(1000);
    const used = at.server.requests.map(({ variables }) => variables.input.idempotencyKey);
    assert.equal(new Set(used).size, keys);
    // It can be undone by the key that the person's act had.
    await at.outbox.takeBack(key);
    await pass(1000);
    assert.deepEqual(at.server.done, [`updateTask ${at.id}`, `undo ${used.at(-1)}`]);
  });
}

test("a creation whose key is over happens once, by its id", async () => {
  const at = await sending();
  const id = at.ids.task();
  await at.outbox.act("createTask", { id, title: "Salt" });
  at.server.faults = [(ask) => (ask(), page(502))];
  at.outbox.start();
  await settle();
  await at.outbox.stop();
  await pass(8 * DAY);
  at.outbox.start();
  await pass(1000);
  assert.deepEqual(at.server.done, [`createTask ${id}`]);
  assert.deepEqual(refused(at), []);
  assert.deepEqual(waiting(at), []);
});

test("an id that is taken at the first try is another thing's, and told", async () => {
  const at = await sending();
  await at.outbox.act("createTask", { id: at.id, title: "Salt" });
  await sent(at);
  assert.deepEqual(refused(at), [`createTask ${at.id}: InvalidInput`]);
});

test("ids by a wrong clock are made anew, with all that names them", async () => {
  const at = await sending();
  // In 1984.
  const [list, wrong] = ["L928374", "928374650000000"];
  await at.outbox.act("createTask", { id: wrong, title: "Salt" });
  await at.outbox.act("createTask", { id: at.ids.task(), title: "Sub", parentId: wrong });
  await at.outbox.act("moveTask", { id: at.id, place: { after: wrong } });
  await at.outbox.act("updateTasks", { ids: [at.id, wrong], priority: "HIGH", title: wrong, listId: list });
  at.server.faults = [undefined, (ask) => new Promise(() => {})];
  at.outbox.start();
  await settle();
  const [made] = at.server.requests[1].variables.input.id.match(/^3\d+/);
  const [sub, move, batch] = at.outbox.entries().slice(1);
  assert.equal(sub.input.parentId, made);
  assert.deepEqual(move.input.place, { after: made });
  assert.deepEqual(batch.input, { ids: [at.id, made], priority: "HIGH", title: wrong, listId: list });
});

test("an id that is refused twice is told", async () => {
  const at = await sending();
  at.server.do = () => ({ __typename: "InvalidInput", message: "", issues: [{ path: ["id"], code: "INVALID", message: "" }] });
  await at.outbox.act("createTask", { id: at.ids.task(), title: "Salt" });
  await sent(at);
  assert.equal(at.server.requests.length, 2);
  assert.equal(at.outbox.refused().length, 1);
});

test("what is gone already is deleted, and what is refused otherwise is told", async () => {
  const at = await sending();
  const gone = at.ids.task();
  await at.outbox.act("deleteTask", { id: gone });
  await at.outbox.act("updateTask", { id: gone, completed: true });
  await at.outbox.act("createTask", { id: at.ids.task(), title: "" });
  at.server.faults = [undefined, undefined, undefined, () => json({ errors: problem("FORBIDDEN").errors }, 403)];
  await at.outbox.act("deleteTask", { id: at.id });
  await sent(at);
  assert.deepEqual(at.outbox.refused().map(({ code }) => code), ["TaskNotFound", "InvalidInput", "FORBIDDEN"]);
  assert.equal(at.outbox.refused()[1].issues[0].path[0], "title");
  const [{ seq }] = at.outbox.refused();
  await at.outbox.dismiss(seq);
  assert.equal(at.outbox.state().refused, 2);
});

test("what is about a thing that could not be made waits for it", async () => {
  const at = await sending();
  const id = at.ids.task();
  await at.outbox.act("createTask", { id, title: "" });
  await at.outbox.act("updateTask", { id, completed: true });
  await at.outbox.act("updateTask", { id: at.id, completed: true });
  await sent(at);
  assert.deepEqual(at.server.done, [`updateTask ${at.id}`]);
  assert.deepEqual(waiting(at), [`updateTask ${id}`]);
  const [{ seq }] = at.outbox.refused();
  await at.outbox.again(seq, { id, title: "Salt" });
  await pass(1000);
  assert.deepEqual(at.server.done.slice(1), [`createTask ${id}`, `updateTask ${id}`]);
});

test("what is about a thing that is given up goes with it", async () => {
  const at = await sending();
  const id = at.ids.task();
  await at.outbox.act("createTask", { id, title: "" });
  await at.outbox.act("updateTask", { id, completed: true });
  await at.outbox.act("updateTasks", { ids: [id, at.id], priority: "LOW" });
  await sent(at);
  await at.outbox.dismiss(at.outbox.refused()[0].seq);
  await settle();
  assert.deepEqual(at.server.requests.at(-1).variables.input.ids, [at.id]);
  assert.deepEqual(at.outbox.entries(), []);
});

test("an entry of a newer format is shown, never sent and never dropped", async () => {
  const at = await sending();
  const newer = { seq: 0, format: 2, operation: "shareTask", input: { id: at.id }, key: "k", at: 0, window: "", tries: 0 };
  await at.store.change(["entries"], (transaction) => transaction.put("entries", newer));
  await at.outbox.act("deleteTask", { id: at.id });
  await at.outbox.act("createTask", { id: at.ids.task(), title: "Salt" });
  await sent(at);
  at.outbox.sendNow();
  await pass(1000);
  assert.equal(at.server.done.length, 1);
  assert.deepEqual(waiting(at), [`shareTask ${at.id}`, `deleteTask ${at.id}`]);
  assert.equal(at.outbox.state().parked, 2);
});

test("a trash that is too full to be emptied at once is emptied again", async () => {
  const at = await sending();
  const left = [true, true, false];
  at.server.do = () => ({ __typename: "EmptyTrashSuccess", purgedCount: 1, hasMore: left.shift() });
  await at.outbox.act("emptyTrash", {});
  await sent(at);
  assert.equal(at.server.requests.length, 3);
  assert.deepEqual(at.outbox.entries(), []);
});
