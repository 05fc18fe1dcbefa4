// The copy of what a person has, without a server: what is kept, and what is seen.
import "fake-indexeddb/auto";
import assert from "node:assert/strict";
import { test } from "node:test";

import { createIds } from "../dist/ids.js";
import { createOutbox } from "../dist/outbox.js";
import { overlay, settled } from "../dist/overlay.js";
import { positionOf } from "../dist/positions.js";
import { KeptReplica } from "../dist/replica.js";
import { MemoryStore, openStore } from "../dist/store.js";

let names = 0;
let seq = 0;

const node = (id, version, fields = {}) => ({
  __typename: "Task", id, version, title: `Task ${id}`, description: null, completed: false,
  completedAt: null, completedOn: null, createdAt: "", updatedAt: "", deletedAt: null, dueOn: null,
  dueTime: null, priority: "NONE", labels: [], position: positionOf(id), list: null, parent: null,
  recurrence: null, ...fields,
});
const change = (id, version, fields) => ({ kind: "TASK", id, version, node: node(id, version, fields) });
const gone = (id, version) => ({ kind: "TASK", id, version, node: null });
const page = (changes, cursor, rest = {}) => ({ changes, cursor, isReset: false, isLast: true, ...rest });
const entry = (operation, input) => ({ operation, input, at: Date.now(), seq: ++seq, tries: 0 });

async function opened(store, options = {}) {
  const entries = [];
  const told = [];
  const replica = new KeptReplica({ store, entries: () => [...entries], tell: (news) => told.push(news), ...options });
  await replica.load();
  return { replica, entries, told, store };
}

async function filled(changes, options) {
  const made = await opened(await openStore(`replica-${++names}`), options);
  await made.replica.page(page(changes, "1", { isReset: true }));
  return made;
}

/** The queue sends an act, and this is the answer. */
async function answered({ replica, store }, operation, input, outcome) {
  const client = { ask: async () => ({ status: 200, body: { data: { outcome } } }) };
  const outbox = await createOutbox({ store, client, ids: createIds(), onThings: (...given) => replica.answered(...given) });
  await outbox.act(operation, input);
  outbox.start();
  while (outbox.entries().length) await new Promise((resolve) => setTimeout(resolve));
  await outbox.stop();
}

const titles = ({ replica }) => [...replica.things().tasks.values()].filter(({ deletedAt }) => !deletedAt).map(({ title }) => title).sort();

test("what is kept is there when it is opened again, with its cursor", async () => {
  const { store } = await filled([change("1", 1), change("2", 2)]);
  const again = await opened(store);
  assert.deepEqual(titles(again), ["Task 1", "Task 2"]);
  assert.deepEqual(again.replica.state(), { isFilled: true, isLive: false, isOnline: false, cursor: "1" });
});

test("a page and its cursor are kept together, or neither is", async () => {
  const { store, replica } = await filled([change("1", 1)]);
  const failing = {
    read: (...given) => store.read(...given),
    change: (tables, work) =>
      store.change(tables, async (transaction) => {
        const put = (table, row) => {
          if (table === "values") throw new Error("no room");
          return transaction.put(table, row);
        };
        return work({ ...transaction, put });
      }),
  };
  const broken = await opened(failing);
  await assert.rejects(broken.replica.page(page([change("1", 2, { title: "New" })], "2")));
  const again = await opened(store);
  assert.deepEqual(titles(again), ["Task 1"]);
  assert.equal(again.replica.state().cursor, "1");
  assert.equal(replica.state().cursor, "1");
});

test("an older version changes nothing, in memory and on the device", async () => {
  const made = await filled([change("1", 5, { title: "New" })]);
  await made.replica.page(page([change("1", 4, { title: "Old" })], "2"));
  assert.deepEqual(titles(made), ["New"]);
  assert.deepEqual(titles(await opened(made.store)), ["New"]);
});

test("what another window has kept already is seen here, too", async () => {
  const made = await filled([change("1", 1)]);
  const other = await opened(made.store);
  await other.replica.page(page([change("1", 2, { title: "New" })], "2"));
  await made.replica.page(page([change("1", 2, { title: "New" })], "2"));
  assert.deepEqual(titles(made), ["New"]);
});

test("the whole set is built beside what is seen, and takes its place at the end", async () => {
  const made = await filled([change("1", 7), change("2", 8)]);
  await made.replica.page(page([change("3", 1)], "a", { isReset: true, isLast: false }));
  assert.deepEqual(titles(made), ["Task 1", "Task 2"]);
  // Whoever opens it meanwhile goes on from before.
  const meanwhile = await opened(made.store);
  assert.deepEqual([titles(meanwhile), meanwhile.replica.state().cursor], [["Task 1", "Task 2"], "1"]);
  await made.replica.page(page([change("1", 2, { title: "As it was restored" })], "b"));
  assert.deepEqual(titles(made), ["As it was restored", "Task 3"]);
  const again = await opened(made.store);
  assert.deepEqual(titles(again), ["As it was restored", "Task 3"]);
  assert.equal(again.replica.state().cursor, "b");
});

test("a whole set that is not read to its end begins anew", async () => {
  const made = await filled([change("1", 7)]);
  await made.replica.page(page([change("3", 1)], "a", { isReset: true, isLast: false }));
  await made.replica.page(page([change("4", 1)], "b", { isReset: true }));
  assert.deepEqual(titles(made), ["Task 4"]);
});

test("the first fill shows each page as it comes, and goes on where it was", async () => {
  const made = await opened(await openStore(`replica-${++names}`));
  await made.replica.page(page([change("1", 1)], "1", { isReset: true, isLast: false }));
  assert.deepEqual([titles(made), made.replica.state().isFilled], [["Task 1"], false]);
  const again = await opened(made.store);
  assert.equal(again.replica.state().cursor, "1");
  await again.replica.page(page([change("2", 2)], "2"));
  assert.deepEqual([titles(again), again.replica.state().isFilled], [["Task 1", "Task 2"], true]);
});

test("what is gone is in the trash, and what went along comes back along", async () => {
  const made = await filled([change("1", 1), change("2", 2, { parent: { id: "1" } }), change("3", 3, { parent: { id: "1" } })]);
  await made.replica.page(page([gone("3", 4)], "2"));
  const aWhile = () => new Promise((resolve) => setTimeout(resolve, 3));
  await aWhile();
  await made.replica.page(page([gone("1", 5)], "3"));
  await aWhile();
  await made.replica.page(page([gone("2", 6)], "4"));
  assert.deepEqual(titles(made), []);
  made.entries.push(entry("restoreTask", { id: "1" }));
  assert.deepEqual(titles(made), ["Task 1", "Task 2"]);
});

test("what is made elsewhere and deleted at once, both told together, is in the trash", async () => {
  const made = await filled([change("1", 1)]);
  const titled = { title: "New" };
  await made.replica.page(page([change("2", 2), change("1", 3, titled), gone("2", 4), gone("1", 5)], "5"));
  for (const each of [made, await opened(made.store)]) {
    assert.deepEqual(titles(each), []);
    const { tasks } = each.replica.things();
    assert.deepEqual(["1", "2"].map((id) => [tasks.get(id).title, tasks.get(id).version]), [["New", 5], ["Task 2", 4]]);
  }
});

test("what was made here, and deleted elsewhere before its answer came, does not come back", async () => {
  const made = await filled([]);
  const { replica, entries } = made;
  const done = entry("createTask", { id: "1", title: "New" });
  entries.push(done);
  assert.deepEqual(titles(made), ["New"]);
  await replica.page(page([gone("1", 5)], "2"));
  const { put, gone: none, version } = settled(done, node("1", 4));
  replica.answered(put, none, done, version);
  entries.pop();
  assert.deepEqual(titles(made), []);
  assert.equal((await opened(made.store)).replica.things().tasks.get("1").version, 5);
});

for (const isOpenedAgain of [false, true]) {
  const when = isOpenedAgain ? ", also when it is opened again meanwhile" : "";
  test(`what is gone before it is known here does not come by a late answer${when}`, async () => {
    const columns = { name: "List", position: "a", createdAt: "", updatedAt: "", deletedAt: null };
    const list = { __typename: "TaskList", id: "L1", version: 3, ...columns };
    let made = await filled([{ kind: "LIST", id: "L1", version: 3, node: list }]);
    const input = { id: "1", title: "Task 1", listId: "L1" };
    made.entries.push(entry("createTask", input));
    assert.deepEqual(titles(made), ["Task 1"]);
    // Its list is gone, so that it is not seen any more; and it went along.
    await made.replica.page(page([{ kind: "LIST", id: "L1", version: 5, node: null }], "2"));
    assert.deepEqual(titles(made), []);
    await made.replica.page(page([gone("1", 6)], "3"));
    if (isOpenedAgain) made = await opened(made.store);
    const outcome = { __typename: "CreateTaskSuccess", task: node("1", 4, { list: { id: "L1" } }) };
    await answered(made, "createTask", input, outcome);
    made.entries.pop();
    assert.deepEqual([titles(made), titles(await opened(made.store))], [[], []]);
  });
}

test("what was answered and is gone before the first page is read does not come", async () => {
  const made = await opened(await openStore(`replica-${++names}`));
  await made.replica.page(page([change("2", 9), gone("1", 10)], "10", { isReset: true }));
  await answered(made, "createTask", { id: "1", title: "Task 1" }, { __typename: "CreateTaskSuccess", task: node("1", 8) });
  assert.deepEqual(titles(made), ["Task 2"]);
  // What the feed has not told yet is seen by its answer.
  await answered(made, "createTask", { id: "3", title: "Task 3" }, { __typename: "CreateTaskSuccess", task: node("3", 11) });
  assert.deepEqual(titles(made), ["Task 2", "Task 3"]);
});

test("what was answered before the first page, and is gone by then, does not stay", async () => {
  const made = await opened(await openStore(`replica-${++names}`));
  const done = entry("createTask", { id: "1", title: "New" });
  const { put, gone: none, version } = settled(done, node("1", 1));
  made.replica.answered(put, none, done, version);
  assert.deepEqual(titles(made), ["Task 1"]);
  await made.replica.page(page([change("2", 9)], "9", { isReset: true }));
  assert.deepEqual(titles(made), ["Task 2"]);
});

test("what an answer does not say of those that were named is not guessed", async () => {
  const made = await filled([change("1", 1), change("2", 2)]);
  const { replica } = made;
  await replica.page(page([gone("1", 3), gone("2", 4)], "2"));
  // Both were removed for good meanwhile.
  const outcome = { __typename: "RestoreTasksSuccess", tasks: [], missingIds: ["1", "2"] };
  const done = entry("restoreTasks", { ids: ["1", "2"] });
  const { put, gone: none, version } = settled(done, outcome);
  replica.answered(put, none, done, version);
  assert.deepEqual(titles(made), []);
});

test("a kind that is not known is left out", async () => {
  const made = await filled([change("1", 1), { kind: "NOTE", id: "N1", version: 2, node: {} }, gone("9", 3)]);
  assert.deepEqual(titles(made), ["Task 1"]);
});

test("things are another object only when anything is seen anew", async () => {
  const made = await filled([change("1", 1)]);
  const { replica, entries } = made;
  const before = replica.things();
  assert.equal(replica.things(), before);
  entries.push(entry("updateTask", { id: "1", title: "New" }));
  const after = replica.things();
  assert.notEqual(after, before);
  entries[0] = { ...entries[0], tries: 1 };
  assert.equal(replica.things(), after);
  entries.pop();
  assert.deepEqual(titles(made), ["Task 1"]);
});

test("an act is seen until the feed has told what followed from it", async () => {
  const made = await filled([change("1", 1), change("2", 2, { parent: { id: "1" } })]);
  const { replica, entries } = made;
  const done = entry("updateTask", { id: "1", completed: true });
  entries.push(done);
  const isDone = () => [...replica.things().tasks.values()].map(({ completed }) => completed);
  assert.deepEqual(isDone(), [true, true]);
  const { put, gone: none, version } = settled(done, node("1", 3, { completed: true, completedAt: "x" }));
  replica.answered(put, none, done, version);
  entries.pop();
  assert.deepEqual(isDone(), [true, true]);
  // What is changed elsewhere meanwhile is not covered by it.
  await replica.page(page([change("1", 3, { completed: true, completedAt: "x" }), change("2", 5, { parent: { id: "1" } })], "2"));
  assert.deepEqual(isDone(), [true, false]);
});

test("other windows see what one has kept", async () => {
  const made = await filled([change("1", 1)]);
  const other = await opened(made.store);
  made.told.length = 0;
  await made.replica.page(page([change("1", 2, { title: "New" })], "2"));
  for (const news of made.told) other.replica.take(structuredClone(news));
  assert.deepEqual(titles(other), ["New"]);
  assert.equal(other.replica.state().cursor, "2");
});

test("the server's trash takes the place of what was known of it", async () => {
  const made = await filled([change("1", 1), change("2", 2), change("3", 3)]);
  await made.replica.page(page([gone("1", 4), gone("2", 5)], "2"));
  await made.replica.replaceTrash([{ ...made.replica.things().tasks.get("2"), title: "In the trash" }]);
  const { tasks } = made.replica.things();
  assert.deepEqual([...tasks.values()].map(({ title }) => title).sort(), ["In the trash", "Task 3"]);
  assert.deepEqual([...(await opened(made.store)).replica.things().tasks.keys()].sort(), ["2", "3"]);
});

test("in memory alone it works, too", async () => {
  const made = await opened(new MemoryStore());
  await made.replica.page(page([change("1", 1)], "1", { isReset: true }));
  assert.deepEqual(titles(made), ["Task 1"]);
});

test("acts one by one show what all at once do", () => {
  const first = { tasks: new Map(), lists: new Map() };
  const acts = [
    entry("createList", { id: "L1", name: "Home" }),
    ...["11", "12", "13", "14"].map((id) => entry("createTask", { id, title: id, listId: "L1" })),
    entry("createTask", { id: "15", title: "Below", parentId: "11" }),
    entry("updateTask", { id: "11", completed: true }),
    entry("moveTask", { id: "14", place: { before: "12" } }),
    entry("deleteTask", { id: "11" }),
    entry("restoreTask", { id: "11" }),
    entry("updateTask", { id: "11", completed: false }),
  ];
  const atOnce = overlay(first, acts);
  const oneByOne = acts.reduce((things, act) => overlay(things, [act]), first);
  assert.deepEqual(oneByOne, atOnce);
  assert.ok([...atOnce.tasks.values()].every(({ completed, deletedAt }) => !completed && !deletedAt));
  assert.equal(first.tasks.size, 0);
});

test("what the server would refuse has no effect, of a batch as a whole", () => {
  const before = overlay({ tasks: new Map(), lists: new Map() }, [
    entry("createList", { id: "L1", name: "Home" }),
    entry("createTask", { id: "11", title: "Parent" }),
    entry("createTask", { id: "12", title: "Below", parentId: "11" }),
    entry("createTask", { id: "13", title: "Due", dueOn: "2026-11-30", recurrence: { rule: { unit: "DAY" } } }),
  ]);
  const refused = [
    ["createTask", { id: "11", title: "Again" }],
    ["createTask", { id: "21", title: "x", parentId: "12" }],
    ["createTask", { id: "21", title: "x", listId: "L9" }],
    ["createTasks", { tasks: [{ id: "21", title: "x" }, { id: "22", title: "y", listId: "L9" }] }],
    ["updateTask", { id: "11", dueTime: "09:00" }],
    ["updateTask", { id: "13", dueOn: null }],
    ["updateTask", { id: "99", title: "x" }],
    ["updateTasks", { ids: ["11", "12"], priority: "HIGH", listId: "L9" }],
    ["updateTask", { id: "12", listId: "L1" }],
    ["moveTask", { id: "11", parentId: "13" }],
    ["moveTask", { id: "13", parentId: "11" }],
    ["moveTask", { id: "11", place: { before: "12" } }],
    ["moveTask", { id: "11", parentId: "11" }],
    ["restoreTask", { id: "11" }],
    ["purgeTasks", { ids: ["11"] }],
    ["restoreList", { id: "L1" }],
    ["updateTask", { id: "11", labels: Array.from({ length: 21 }, (_, n) => `label ${n}`) }],
    ["undo", { actionKey: "x" }],
  ];
  for (const [operation, input] of refused) {
    assert.deepEqual(overlay(before, [entry(operation, input)]), before, `${operation} ${JSON.stringify(input)}`);
  }
});
