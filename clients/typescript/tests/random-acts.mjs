// Two devices of one person act at random, on a wire that fails at random. In the end both see what
// the server has; nothing is lost, and nothing is there twice. Run by tests/clients; prints what is wrong.
import { openAt, differences, inTheEnd, randomBy, serverThings, shown, sleep } from "./devices.mjs";

const options = JSON.parse(process.argv[2]);
const { seed, acts } = options;
const random = randomBy(seed);
const DAYS = ["2026-11-29", "2026-11-30", "2026-12-01", "2027-01-31", null];
/** Where things are removed for good, nobody can tell whether one was lost: so not always. */
const PURGES = seed % 3 ? 0 : 1;
const LABELS = ["home", "Home", "shop", "Straße", "later"];

const devices = [
  await openAt(options, `one-${options.user}`, randomBy(seed + 1)),
  await openAt(options, `two-${options.user}`, randomBy(seed + 2)),
];
const created = new Map();
const counts = {};
let titles = 0;

/** One act of a device, by what is seen there; undefined where there is nothing to do it with. */
function anyAct({ replica, ids }) {
  const { tasks, lists } = replica.things();
  const all = [...tasks.values()];
  const live = all.filter(({ deletedAt }) => deletedAt === null);
  const top = live.filter(({ parentId }) => parentId === null);
  const gone = all.filter(({ deletedAt }) => deletedAt !== null);
  const liveLists = [...lists.values()].filter(({ deletedAt }) => deletedAt === null);
  const goneLists = [...lists.values()].filter(({ deletedAt }) => deletedAt !== null);
  const task = random.one(live);
  const list = random.one([null, ...liveLists]);
  const some = random.some(live, 1 + random.below(4)).map(({ id }) => id);
  const newTask = (fields = {}) => ({ id: ids.task(), title: `Task ${++titles} of ${seed}`, ...fields });
  const placeBeside = (siblings) =>
    random.one([{ first: true }, { last: true }, ...siblings.slice(0, 4).map(({ id }) => ({ before: id }))]);
  const completed = random.next() < 0.6;
  const KINDS = [
    [20, () => ["createTask", newTask({ listId: list?.id ?? null, labels: random.some(LABELS, random.below(3)), dueOn: random.one(DAYS) })]],
    [6, () => top.length && ["createTask", newTask({ parentId: random.one(top).id })]],
    [3, () => ["createTasks", { tasks: [newTask(), newTask({ completed: true }), newTask({ listId: list?.id ?? null })] }]],
    [2, () => ["createTask", newTask({ dueOn: "2026-11-30", recurrence: { rule: { unit: random.one(["DAY", "WEEK", "MONTH"]) } } })]],
    [18, () => task && ["updateTask", { id: task.id, completed, ...(completed && { today: "2026-11-30" }) }]],
    [8, () => task && ["updateTask", { id: task.id, title: `Title ${++titles}`, expectedVersion: task.version || undefined }, { title: task.title }]],
    [5, () => task && ["updateTask", { id: task.id, dueOn: task.recurrence ? "2026-12-24" : random.one(DAYS), priority: random.one(["NONE", "HIGH"]) }]],
    [4, () => task && ["updateTask", { id: task.id, labels: random.some(LABELS, 2) }]],
    [5, () => some.length && ["updateTasks", { ids: some, addLabels: [random.one(LABELS)], removeLabels: [random.one(LABELS)], completed }]],
    [10, () => task && ["moveTask", { id: task.id, place: placeBeside(live.filter((one) => one.parentId === task.parentId && one.listId === task.listId)) }]],
    [4, () => task && !task.parentId && ["moveTask", { id: task.id, listId: list?.id ?? null }]],
    [3, () => task && top.length > 1 && ["moveTask", { id: task.id, parentId: random.one(top).id }]],
    [8, () => task && ["deleteTask", { id: task.id }]],
    [2, () => some.length && ["deleteTasks", { ids: some }]],
    [6, () => gone.length && ["restoreTask", { id: random.one(gone).id }]],
    [2, () => gone.length && ["restoreTasks", { ids: random.some(gone, 3).map(({ id }) => id) }]],
    [PURGES, () => gone.length && ["purgeTasks", { ids: [random.one(gone).id] }]],
    [PURGES / 3, () => gone.length && ["emptyTrash", {}]],
    [4, () => ["createList", { id: ids.list(), name: `List ${++titles}`, ...(random.next() < 0.3 && { place: { first: true } }) }]],
    [2, () => liveLists.length && ["updateList", { id: random.one(liveLists).id, name: `List ${++titles}` }]],
    [2, () => liveLists.length > 1 && ["moveList", { id: liveLists[0].id, place: { after: liveLists[1].id } }]],
    [2, () => liveLists.length && ["deleteList", { id: random.one(liveLists).id }]],
    [1, () => goneLists.length && ["restoreList", { id: random.one(goneLists).id }]],
    [2, () => ["renameLabel", { from: random.one(LABELS), to: random.one(LABELS) }]],
  ];
  let luck = random.next() * KINDS.reduce((sum, [weight]) => sum + weight, 0);
  return KINDS.find(([weight]) => (luck -= weight) < 0)[1]() || undefined;
}

/** Take an act back. What was made by it, and never sent, is not to be there. */
async function takeBack(outbox, key) {
  const madeBy = () => outbox.entries().filter(({ operation }) => operation.startsWith("create")).flatMap(({ input }) => input.tasks ?? [input]);
  const before = madeBy();
  if ((await outbox.takeBack(key)) !== "removed") return;
  const after = new Set(madeBy().map(({ id }) => id));
  for (const { id } of before) if (!after.has(id)) created.delete(id);
}

for (const { wire } of devices) wire.isFaulty = true;
const keys = [[], []];
for (let n = 0; n < acts; ) {
  const which = random.below(2);
  const device = devices[which];
  const luck = random.next();
  if (luck < 0.03) device.wire.cut();
  else if (luck < 0.1) {
    device.wire.mend();
    device.wire.isFaulty = true;
  } else if (luck < 0.13 && keys[which].length) await takeBack(device.outbox, random.one(keys[which].slice(-5)));
  else {
    const act = anyAct(device);
    if (!act) continue;
    const { key } = await device.outbox.act(...act);
    n++;
    keys[which].push(key);
    counts[act[0]] = (counts[act[0]] ?? 0) + 1;
    for (const { id } of act[1].tasks ?? [act[1]]) if (act[0].startsWith("create")) created.set(id, act[0]);
  }
  if (random.next() < 0.3) await sleep(random.below(100));
  device.outbox.sendNow();
}

const failures = [];
// Most is sent while the wire is bad, and the rest when it is mended.
for (let n = 0; n < 20; n++) {
  for (const { wire, outbox } of devices) {
    wire.isCut = false;
    outbox.sendNow();
  }
  await sleep(100);
}
for (const { wire } of devices) wire.mend();
const isQuiet = () =>
  devices.every(({ outbox }) => {
    outbox.sendNow();
    const { waiting, isSending } = outbox.state();
    return waiting === 0 && !isSending;
  });
if (!(await inTheEnd(isQuiet, 60))) {
  failures.push(`not sent: ${JSON.stringify(devices.map(({ outbox }) => outbox.state()))}`);
}

// What waits for something that was refused is seen as if it was done, until that is dismissed.
const refused = devices.flatMap(({ outbox }) => outbox.refused());
const held = new Set(devices.flatMap(({ outbox }) => outbox.entries()).flatMap(({ input }) => [input.id, ...(input.tasks ?? []).map(({ id }) => id)]));
for (const { outbox } of devices) {
  for (const { seq } of outbox.refused()) await outbox.dismiss(seq);
  if (!(await inTheEnd(() => outbox.entries().length === 0 || outbox.sendNow()))) failures.push(`left: ${JSON.stringify(outbox.entries())}`);
}

let left = [];
const isLike = async () => {
  const server = shown(await serverThings(options), { withTrash: false });
  left = devices.flatMap(({ replica }, n) =>
    differences(shown(replica.things(), { withTrash: false }), server).map((each) => `device ${n + 1}: ${each}`),
  );
  return left.length === 0;
};
if (!(await inTheEnd(isLike, 30))) {
  const ids = new Set(left.flatMap((each) => /^device \d: (L?\d+):/.exec(each)?.[1] ?? []));
  const all = [await serverThings(options), ...devices.map(({ replica }) => replica.things())];
  const told = ({ version, deletedAt } = {}) => [version, deletedAt];
  const versions = [...ids].map((id) => [id, ...all.map(({ tasks, lists }) => told(tasks.get(id) ?? lists.get(id)))]);
  failures.push(`server, devices: ${JSON.stringify(versions.slice(0, 8))}`);
  failures.push(...left.slice(0, 8), ...devices.map(({ replica, outbox }) => JSON.stringify([replica.state(), outbox.state()])));
}

// The trash as each is told it, and as it is.
for (const device of devices) await device.fetchTrash();
const server = await serverThings(options);
for (const [n, { replica }] of devices.entries()) {
  const trash = ({ tasks, lists }) =>
    [...tasks.values(), ...lists.values()].filter(({ deletedAt }) => deletedAt).map(({ id }) => id).sort().join();
  if (trash(replica.things()) !== trash(server)) failures.push(`device ${n + 1}: another trash`);
}

// Whatever was made is there, or was removed for good, or is told to be refused.
const isTold = new Set(refused.flatMap(({ entry }) => (entry.input.tasks ?? [entry.input]).map(({ id }) => id)));
for (const [id, operation] of created) {
  const isThere = server.tasks.has(id) || server.lists.has(id);
  if (!isThere && !isTold.has(id) && !held.has(id) && !PURGES) failures.push(`lost: ${operation} ${id}`);
}
const byTitle = [...server.tasks.values()].filter(({ id }) => created.has(id)).map(({ title }) => title);
if (new Set(byTitle).size !== byTitle.length) failures.push("something is there twice");

const faults = devices.map(({ wire }) => wire.faults).reduce((a, b) => a + b);
const codes = {};
for (const { code, entry } of refused) codes[`${entry.operation} ${code}`] = (codes[`${entry.operation} ${code}`] ?? 0) + 1;
for (const device of devices) await device.close();
process.stdout.write(
  JSON.stringify({ seed, acts: Object.values(counts).reduce((a, b) => a + b, 0), tasks: server.tasks.size, faults, refused: codes, counts, failures }),
);
process.exit(0);
