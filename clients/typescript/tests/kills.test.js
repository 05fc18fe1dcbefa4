// A page may die at any moment: what it has kept is sent by the next one, and what it has sent is not done again.
import { pass, stopTime } from "./support/clock.js";
import assert from "node:assert/strict";
import { test } from "node:test";
import { keptStore, open, refused } from "./support/outbox.js";
import { page } from "./support/answers.js";
import { FakeServer } from "./support/server.js";

class Dead extends Error {}

/** A page that dies at a moment: from then on nothing that it waits for ever comes. */
function mortal(store, server, moment) {
  const life = { moments: 0, isOver: false };
  const never = new Promise(() => {});
  const lives = () => {
    life.isOver ||= life.moments++ === moment;
    return !life.isOver;
  };
  /** As before it, but each step may be the last. */
  const stepped = (transaction) =>
    Object.fromEntries(
      Object.entries(transaction).map(([name, step]) => [
        name,
        async (...given) => {
          if (!lives()) throw new Dead();
          return step(...given);
        },
      ]),
    );
  async function transact(kind, tables, work) {
    if (!lives()) return never;
    const result = await store[kind](tables, (transaction) => work(stepped(transaction))).catch((error) => {
      if (error instanceof Dead) return never;
      throw error;
    });
    return lives() ? result : never;
  }
  async function fetch(...request) {
    if (!lives()) return never;
    const answer = await server.fetch(...request);
    return lives() ? answer : never;
  }
  const mortalStore = {
    isKept: true,
    change: (...given) => transact("change", ...given),
    read: (...given) => transact("read", ...given),
  };
  return { life, store: mortalStore, login: { fetch } };
}

test("a page that is killed at any moment loses nothing and doubles nothing", async (t) => {
  let moment = 0;
  for (let isOver = true; isOver; moment++) isOver = await killedAt(moment);
  assert.ok(moment > 100, `${moment} moments`);
  t.diagnostic(`${moment} moments`);
});

async function killedAt(moment) {
  const [store, server] = [await keptStore(), new FakeServer()];
  const ids = (await open()).ids;
  const [there, gone, added, sub] = [ids.task(), ids.task(), ids.task(), ids.task()];
  for (const id of [there, gone]) server.do("createTask", { id, title: "There" });
  // What a conflict is made of: the description was changed elsewhere.
  const { version } = server.tasks.get(there);
  server.write("elsewhere", { ...server.tasks.get(there), description: "Theirs" });
  server.done = [];
  server.faults = [undefined, () => page(503), (ask) => (ask(), page(502))];

  const acts = [
    ["createTask", { id: added, title: "Flour" }],
    ["updateTask", { id: there, title: "Rye" , expectedVersion: version }, { title: "There" }],
    ["createTask", { id: sub, title: "Sub", parentId: added }],
    ["updateTask", { id: gone, completed: true }],
    ["deleteTask", { id: gone }],
  ];
  const first = mortal(store, server, moment);
  const kept = [];
  void actAndSend(first, acts, kept);
  for (let turn = 0; turn < 10 && !first.life.isOver; turn++) await pass(20_000);
  stopTime();

  const next = await open({ store, server });
  next.outbox.start();
  await pass(200_000);
  await next.outbox.stop();
  const names = acts.map(([operation, { id }]) => `${operation} ${id}`);
  const { done } = server;
  assert.deepEqual(done, names.slice(0, done.length), `killed at moment ${moment}`);
  assert.ok(done.length >= kept.length && done.length <= kept.length + 1, `killed at moment ${moment}: kept ${kept.length}, done ${done.length}, ${JSON.stringify(next.outbox.entries())} ${refused(next)}`);
  assert.deepEqual([next.outbox.entries(), refused(next)], [[], []]);
  next.store.close();
  return first.life.isOver;
}

/** Act, the first two before anything is sent, and note the acts that were kept. */
async function actAndSend(page, acts, kept) {
  const { outbox } = await open(page);
  for (const act of acts.slice(0, 2)) kept.push(await outbox.act(...act));
  outbox.start();
  for (const act of acts.slice(2)) kept.push(await outbox.act(...act));
}
