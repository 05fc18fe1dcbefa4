// Each kind of act: what is seen before the server has answered is what it then says.
//
// A device does the act while its wire is cut; the picture is compared with that of the server when
// it has answered. Run by tests/clients with where the server is, and prints the differences.
import { openAt, differences, inTheEnd, randomBy, serverThings, shown, sleep } from "./devices.mjs";

const options = JSON.parse(process.argv[2]);
const device = await openAt(options, `acts-${options.user}`, randomBy(1));
const { outbox, replica, ids, wire } = device;
const failures = [];
let count = 0;

const isQuiet = () => {
  const { waiting, parked, isSending } = outbox.state();
  return waiting === 0 && parked === 0 && !isSending;
};

async function isLikeServer() {
  const server = shown(await serverThings(options), { withTrash: false });
  return differences(shown(replica.things(), { withTrash: false }), server);
}

/** Do acts without the server, then with it; what is seen must stay. */
async function check(name, acts, { unseen = () => false } = {}) {
  count++;
  wire.cut();
  for (const [operation, input] of acts) await outbox.act(operation, input);
  const seen = shown(replica.things());
  wire.mend();
  outbox.sendNow();
  if (!(await inTheEnd(isQuiet, 20))) failures.push(`${name}: not sent`);
  let left = [];
  const isDone = await inTheEnd(async () => (left = await isLikeServer()).length === 0, 20);
  if (!isDone) failures.push(`${name}: the replica is not as the server:\n  ${left.join("\n  ")}`);
  const now = shown(replica.things());
  for (const difference of differences(seen, now)) {
    if (!unseen(difference)) failures.push(`${name}: seen before, and then:\n  ${difference}`);
  }
  for (const { code, message, issues, seq } of outbox.refused()) {
    failures.push(`${name}: refused: ${code} ${message} ${JSON.stringify(issues)}`);
    await outbox.dismiss(seq);
  }
}

await inTheEnd(() => replica.state().isFilled);
const task = (fields = {}) => ["createTask", { id: ids.task(), title: "Task", ...fields }];
const made = [];
const make = (fields) => {
  const act = task(fields);
  made.push(act[1].id);
  return act;
};
const today = "2026-11-30";
const list = ids.list();
const other = ids.list();

await check("lists", [
  ["createList", { id: list, name: " Home\n sweet  home " }],
  ["createList", { id: other, name: "Work", place: { first: true } }],
  ["createList", { id: ids.list(), name: "Third" }],
]);
await check("tasks", [
  make({ title: "  Milk\tand  honey ", description: "  \n", labels: [" Shop  ping", "shop ping", "HOME"] }),
  make({ title: "In a list", listId: list, dueOn: today, dueTime: "09:00:00", priority: "HIGH" }),
  make({ title: "First", listId: list, place: { first: true }, labels: ["home"] }),
  make({ title: "Before", listId: list, place: { before: made[1] } }),
  make({ title: "After", listId: list, place: { after: made[2] }, description: " kept as it is " }),
]);
const [milk, inList, first, before, after] = made;
const parent = ids.task();
const [one, two, three] = [ids.task(), ids.task(), ids.task()];
await check("a parent and subtasks at once", [
  task({ id: parent, title: "Move house", listId: list }),
  task({ id: one, title: "Books", parentId: parent }),
  task({ id: two, title: "Cellar", parentId: parent }),
  task({ id: three, title: "Keys", parentId: parent, place: { first: true } }),
]);
await check("edits", [
  ["updateTask", { id: milk, title: "Bread", description: "two", labels: ["Home", "new"] }],
  ["updateTask", { id: inList, dueOn: null, priority: "URGENT" }],
]);
await check("a subtask alone", [["updateTask", { id: one, completed: true, today }]]);
await check("a parent is completed", [["updateTask", { id: parent, completed: true, today }]]);
await check("and reopened", [["updateTask", { id: parent, completed: false }]]);
await check("completed and reopened", [
  ["updateTask", { id: parent, completed: true, today }],
  ["updateTask", { id: two, title: "Cellar and attic" }],
  ["updateTask", { id: parent, completed: false }],
]);
await check("moves in a list", [
  ["moveTask", { id: after, place: { before: first } }],
  ["moveTask", { id: parent, place: { first: true } }],
  ["moveTask", { id: before, place: { last: true } }],
  ["moveTask", { id: first, place: { after: parent } }],
  ["moveTask", { id: one, place: { last: true } }],
  ["moveTask", { id: one, place: { before: one } }],
]);
await check("a parent goes into another list", [["moveTask", { id: parent, listId: other }]]);
await check("to the inbox by an edit", [["updateTask", { id: inList, listId: null }]]);
await check("below a parent, and to the top", [
  ["moveTask", { id: milk, parentId: parent, place: { after: two } }],
  ["moveTask", { id: two, parentId: null }],
]);
await check("a batch", [
  ["updateTasks", { ids: [milk, parent, inList, "4"], completed: true, today, addLabels: ["batch", "HOME"], removeLabels: ["NEW"] }],
  ["updateTasks", { ids: [one, parent], listId: list }],
]);
await check("a batch is reopened", [["updateTasks", { ids: [parent, one], completed: false, dueOn: today, dueTime: "10:30" }]]);
await check("many at once", [
  ["createTasks", { tasks: [
    { id: ids.task(), title: "Done already", completed: true, today },
    { id: ids.task(), title: "Second", listId: other, labels: ["Batch"] },
    { id: ids.task(), title: "Below", parentId: parent },
  ] }],
]);
await check("a parent is deleted", [["deleteTask", { id: parent }]]);
await check("and restored", [["restoreTask", { id: parent }]]);
await check("a subtask is deleted, then its parent, which comes back alone", [
  ["deleteTask", { id: one }],
  ["deleteTask", { id: parent }],
  ["restoreTask", { id: parent }],
]);
await check("a subtask comes back to its parent", [["restoreTasks", { ids: [one] }]]);
await check("a subtask comes back without its parent", [
  ["deleteTask", { id: one }],
  ["deleteTasks", { ids: [parent] }],
  ["restoreTask", { id: one }],
  ["restoreTasks", { ids: [parent, milk] }],
]);
await check("a list is deleted", [["deleteTask", { id: before }], ["deleteList", { id: list }]]);
await check("and restored", [["restoreList", { id: list }]]);
await check("a task comes back without its list", [
  ["deleteList", { id: list }],
  ["restoreTask", { id: first }],
  ["restoreList", { id: list }],
]);
await check("lists are renamed and moved", [
  ["updateList", { id: list, name: "Here" }],
  ["moveList", { id: list, place: { first: true } }],
  ["moveList", { id: other, place: { after: list } }],
]);
await check("labels are renamed", [["renameLabel", { from: "batch", to: " Lots " }], ["renameLabel", { from: "HOME", to: "lots" }]]);
const plant = ids.task();
await check("a task that recurs", [
  task({ id: plant, title: "Water", dueOn: today, recurrence: { rule: { unit: "WEEK", every: 2, weekdays: ["MONDAY"] } } }),
  task({ title: "Rent", dueOn: today, recurrence: { rrule: "FREQ=MONTHLY;INTERVAL=2" } }),
]);
await check("another day, and another rule", [
  ["updateTask", { id: plant, dueOn: "2026-12-01" }],
  ["updateTask", { id: plant, recurrence: { rule: { unit: "DAY" } } }],
]);
// Which one follows, only the server knows.
await check("it is completed", [["updateTask", { id: plant, completed: true, today }]], {
  unseen: (difference) => !difference.startsWith(`${plant}:`),
});
await check("the trash is emptied", [
  ["deleteTask", { id: milk }],
  ["purgeTasks", { ids: [milk] }],
  ["deleteTasks", { ids: [after, first] }],
  ["emptyTrash", {}],
]);

const undone = await outbox.act("deleteTask", { id: two });
await inTheEnd(isQuiet);
if ((await outbox.takeBack(undone.key)) !== "undone") failures.push("undo: was not sent");
await inTheEnd(isQuiet);
await sleep(300);
if (replica.things().tasks.get(two)?.deletedAt !== null) failures.push("undo: it is not back");

await device.close();
process.stdout.write(JSON.stringify({ count, failures }));
process.exit(0);
