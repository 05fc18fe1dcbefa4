// `npm test`: what is pure, in Node; the rest is tried in a browser by tests/clients of the API.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { createServer } from "vite";

const server = await createServer({
  configFile: false,
  server: { middlewareMode: true, ws: false },
  optimizeDeps: { noDiscovery: true },
  logLevel: "error",
});
after(() => server.close());
const { linesOf, parse, parseDay } = await server.ssrLoadModule("/src/words.ts");
const { dayInWords, isLate } = await server.ssrLoadModule("/src/due.ts");

const MONDAY = "2026-11-30";

for (const [words, dueOn, dueTime = null] of [
  ["today", "2026-11-30"],
  ["Tomorrow", "2026-12-01"],
  ["fri", "2026-12-04"],
  ["friday", "2026-12-04"],
  ["next friday", "2026-12-04"],
  ["mon", "2026-12-07"],
  ["next week", "2026-12-07"],
  ["12 dec", "2026-12-12"],
  ["12th December", "2026-12-12"],
  ["dec 12", "2026-12-12"],
  ["29 nov", "2027-11-29"],
  ["30 nov", "2026-11-30"],
  ["29 feb", "2028-02-29"],
  ["31 feb", null],
  ["29 feb 2028", "2028-02-29"],
  ["29 feb 2027", null],
  ["2026-12-24", "2026-12-24"],
  ["2026-13-24", null],
  ["in 3 days", "2026-12-03"],
  ["in a week", "2026-12-07"],
  ["in 2 weeks", "2026-12-14"],
  ["in 3 months", "2027-02-28"],
  ["in a year", "2027-11-30"],
  ["tomorrow 9:00", "2026-12-01", "09:00"],
  ["tomorrow at 9", "2026-12-01", "09:00"],
  ["tomorrow 9pm", "2026-12-01", "21:00"],
  ["fri at 12 am", "2026-12-04", "00:00"],
  ["some day", null],
  ["today or tomorrow", null],
  ["", null],
])
  test(`a day in words: ${words}`, () => {
    assert.deepEqual(parseDay(words, MONDAY), dueOn && { dueOn, dueTime });
  });

const known = {
  today: MONDAY,
  off: new Set(),
  lists: [
    { id: "L1", name: "Home" },
    { id: "L2", name: "Kitchen table" },
    { id: "L3", name: "Kitchen" },
    { id: "L4", name: "Housing" },
  ],
  labels: ["at night", "DIY"],
};

for (const [text, expected] of [
  ["Flour", { title: "Flour" }],
  ["Flour tomorrow", { title: "Flour", dueOn: "2026-12-01" }],
  ["Tomorrow flour", { title: "flour", dueOn: "2026-12-01" }],
  [
    "Flour #home @shopping !1 fri",
    { title: "Flour", listId: "L1", labels: ["shopping"], priority: "HIGH", dueOn: "2026-12-04" },
  ],
  ["Sand it #kitchen table", { title: "Sand it", listId: "L2" }],
  ["Sweep #kitchen", { title: "Sweep", listId: "L3" }],
  ["Sweep #kitchen well", { title: "Sweep well", listId: "L3" }],
  ["Rent #hous", { title: "Rent", listId: "L4" }],
  ["Rent #ho", { title: "Rent #ho" }],
  ["Ring #1", { title: "Ring #1" }],
  ["Paint @diy", { title: "Paint", labels: ["DIY"] }],
  ["Paint @diy @DIY", { title: "Paint", labels: ["DIY"] }],
  ["Paint @at night or never", { title: "Paint or never", labels: ["at night"] }],
  ["Write to ada@example.com", { title: "Write to ada@example.com" }],
  ["Wow !4", { title: "Wow !4" }],
  ["Wow!1", { title: "Wow!1" }],
  ["Both !1 !2", { title: "Both !2", priority: "HIGH" }],
  ["Today and tomorrow", { title: "and tomorrow", dueOn: "2026-11-30" }],
  [
    "Meet in 3 days at 14:30 in town",
    { title: "Meet in town", dueOn: "2026-12-03", dueTime: "14:30" },
  ],
  ["Read Sunday's paper", { title: "Read Sunday's paper" }],
  ["Marching band", { title: "Marching band" }],
  ["Maybe monday-ish", { title: "Maybe monday-ish" }],
  ["#home", { title: "", listId: "L1" }],
])
  test(`a line of the add field: ${text}`, () => {
    const { chips, ...parsed } = parse(text, known);
    const { labels = [], dueTime, ...rest } = expected;
    assert.deepEqual(parsed, { labels, ...rest, ...(rest.dueOn && { dueTime: dueTime ?? null }) });
  });

test("a chip that was taken off stays in the title", () => {
  const off = new Set(["tomorrow", "@home"]);
  const { title, chips } = parse("Watch Tomorrow Never Dies tomorrow fri @home", { ...known, off });
  assert.equal(title, "Watch Never Dies tomorrow fri @home");
  assert.deepEqual(chips, [{ kind: "due", text: "Tomorrow", says: "Tomorrow" }]);
});

test("lines of a text, without the signs before them", () => {
  assert.deepEqual(linesOf("- Flour\r\n* [ ] Salt\n\n  3. Eggs\n10) Milk\n-5 degrees"), [
    "Flour",
    "Salt",
    "Eggs",
    "Milk",
    "-5 degrees",
  ]);
});

for (const [day, words] of [
  ["2026-11-29", "Yesterday"],
  ["2026-11-30", "Today"],
  ["2026-12-01", "Tomorrow"],
  ["2026-12-02", "Wednesday"],
  ["2026-12-06", "Sunday"],
  ["2026-12-07", "7 Dec"],
  ["2026-11-28", "28 Nov"],
  ["2027-01-02", "2 Jan 2027"],
])
  test(`${day} is ${words}`, () => assert.equal(dayInWords(day, MONDAY), words));

test("late is what is over", () => {
  assert.ok(isLate({ dueOn: "2026-11-29", dueTime: null }, `${MONDAY} 00:00`));
  assert.ok(!isLate({ dueOn: MONDAY, dueTime: null }, `${MONDAY} 23:59`));
  assert.ok(!isLate({ dueOn: MONDAY, dueTime: "09:00" }, `${MONDAY} 09:00`));
  assert.ok(isLate({ dueOn: MONDAY, dueTime: "09:00" }, `${MONDAY} 09:01`));
  assert.ok(!isLate({ dueOn: null, dueTime: null }, `${MONDAY} 09:01`));
});
