// What is shown of what is seen.
import assert from "node:assert/strict";
import { test } from "node:test";

import { overlay } from "../dist/overlay.js";
import { search } from "../dist/searching.js";
import * as views from "../dist/views.js";

let seq = 0;
let at = Date.parse("2026-11-30T08:00:00Z");
const act = (operation, input) => ({ operation, input, at: (at += 1000), seq: ++seq });
const task = (id, title, rest = {}) => act("createTask", { id, title, ...rest });
const titles = (tasks) => tasks.map(({ title }) => title);

const things = overlay({ tasks: new Map(), lists: new Map() }, [
  act("createList", { id: "L1", name: "Home" }),
  act("createList", { id: "L2", name: "Work", place: { first: true } }),
  act("createList", { id: "L3", name: "Gone" }),
  task("11", "Flour", { labels: ["Shop", "éclair"], dueOn: "2026-11-30" }),
  task("12", "Rent", { dueOn: "2026-11-28", priority: "HIGH", listId: "L1" }),
  task("13", "Dentist", { dueOn: "2026-11-30", dueTime: "09:00" }),
  task("14", "Move house", { listId: "L1", place: { first: true } }),
  task("15", "Books", { parentId: "14", labels: ["shop"] }),
  task("16", "Cellar", { parentId: "14", dueOn: "2026-12-01" }),
  task("17", "Much later", { dueOn: "2027-03-01" }),
  task("18", "In two weeks", { dueOn: "2026-12-14" }),
  task("19", "Done", { labels: ["old"] }),
  task("20", "Gone with its list", { listId: "L3" }),
  task("21", "Gone alone"),
  task("22", "Ł in the notes", { description: "Łódź, wi-fi" }),
  act("updateTask", { id: "19", completed: true }),
  act("updateTask", { id: "16", completed: true, today: "2026-11-30" }),
  act("deleteTask", { id: "21" }),
  act("deleteList", { id: "L3" }),
  act("moveTask", { id: "22", place: { before: "11" } }),
]);

test("the inbox and lists have what is pending at the top, by hand", () => {
  assert.deepEqual(titles(views.inbox(things)), ["Ł in the notes", "Flour", "Dentist", "Much later", "In two weeks"]);
  assert.deepEqual(titles(views.tasksOfList(things, "L1")), ["Move house", "Rent"]);
  assert.deepEqual(views.tasksOfList(things, "L3"), []);
  assert.deepEqual(views.lists(things).map(({ name }) => name), ["Work", "Home"]);
});

test("today has what is overdue apart, and whole days after the times of the day", () => {
  const { overdue, today } = views.today(things, "2026-11-30");
  assert.deepEqual([titles(overdue), titles(today)], [["Rent"], ["Dentist", "Flour"]]);
});

test("upcoming has each of fourteen days from tomorrow on, and what is later", () => {
  const { days, later } = views.upcoming(things, "2026-11-30");
  assert.deepEqual([days.length, days[0].day, days.at(-1).day], [14, "2026-12-01", "2026-12-14"]);
  assert.deepEqual(titles(days.at(-1).tasks), ["In two weeks"]);
  assert.deepEqual([titles(days[0].tasks), titles(later)], [[], ["Much later"]]);
  assert.deepEqual(views.upcoming(things, "2028-02-27", 3).days.map(({ day }) => day), ["2028-02-28", "2028-02-29", "2028-03-01"]);
});

test("a task is late when its time or its day is over", () => {
  const [rent, dentist] = ["12", "13"].map((id) => things.tasks.get(id));
  assert.ok(views.isOverdue(rent, "2026-11-30"));
  assert.ok(!views.isOverdue(dentist, "2026-11-30", "09:00"));
  assert.ok(views.isOverdue(dentist, "2026-11-30", "09:01"));
  assert.ok(!views.isOverdue({ ...rent, completed: true }, "2026-11-30"));
});

test("completed and trash have the latest first, and in the trash no followers", () => {
  assert.deepEqual(titles(views.completed(things)), ["Cellar", "Done"]);
  assert.deepEqual(views.trash(things).map((thing) => thing.title ?? thing.name), ["Gone", "Gone alone"]);
});

test("labels have their counts, upper and lower case alike", () => {
  assert.deepEqual(views.labels(things), [
    { name: "old", count: 0 },
    { name: "Shop", count: 2 },
    { name: "éclair", count: 1 },
  ]);
  assert.deepEqual(titles(views.tasksWithLabel(things, "SHOP")), ["Flour", "Books"]);
});

test("what is pending is counted by list, subtasks among them", () => {
  assert.deepEqual(Object.fromEntries(views.pendingCounts(things)), { "": 5, L1: 3 });
});

test("subtasks are by hand, completed or not, and counted", () => {
  assert.deepEqual(titles(views.subtasks(things, "14")), ["Books", "Cellar"]);
  assert.deepEqual(Object.fromEntries(views.subtaskCounts(things)), { 14: { done: 1, total: 2 } });
});

test("a search looks into titles, notes and labels, and puts what is pending first", () => {
  assert.deepEqual(titles(search(things, "lodz")), ["Ł in the notes"]);
  assert.deepEqual(titles(search(things, "wifi")), ["Ł in the notes"]);
  assert.deepEqual(titles(search(things, "SHOP flo")), ["Flour"]);
  assert.deepEqual(titles(search(things, "o")), ["Done"]);
  assert.deepEqual(titles(search(things, "d")), ["Dentist", "Done"]);
  assert.deepEqual(search(things, " ,! "), []);
  assert.deepEqual(search(things, "gone"), []);
});

test("a view is made once for the same things", () => {
  assert.equal(views.inbox(things), views.inbox(things));
  assert.equal(views.pendingCounts(things), views.pendingCounts(things));
  assert.notEqual(views.inbox({ ...things }), views.inbox(things));
});
