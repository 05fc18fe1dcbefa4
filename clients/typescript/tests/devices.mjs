// Devices for tests with a real server: each with a database of its own, and with faults on its wire.
import "fake-indexeddb/auto";
import WebSocket from "ws";

import { openDevice } from "../dist/device.js";
import { byPosition, thingsIn } from "../dist/things.js";
import { feed, trash } from "../dist/schema/operations.js";

/** What a browser's window would tell of its network. */
const network = new EventTarget();
globalThis.addEventListener = network.addEventListener.bind(network);
globalThis.removeEventListener = network.removeEventListener.bind(network);

/** Numbers at random, the same ones for the same seed (mulberry32). */
export function randomBy(seed) {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  return {
    next,
    below: (limit) => Math.floor(next() * limit),
    one: (some) => some[Math.floor(next() * some.length)],
    some: (all, count) => [...all].sort(() => next() - 0.5).slice(0, count),
  };
}

/** A wire that fails at random, until it is mended. */
export class Wire {
  isFaulty = false;
  isCut = false;
  faults = 0;
  #sockets = new Set();

  constructor(random) {
    this.random = random;
    const sockets = this.#sockets;
    this.WebSocket = class extends WebSocket {
      constructor(...given) {
        super(...given);
        sockets.add(this);
        this.on("close", () => sockets.delete(this));
        // Closed before it was open, it says so to nobody: browsers' own do not.
        this.on("error", () => {});
      }
    };
  }

  cut() {
    this.isCut = true;
    for (const socket of this.#sockets) socket.terminate();
  }

  mend() {
    this.isCut = this.isFaulty = false;
    network.dispatchEvent(new Event("online"));
  }

  fetch = async (url, init) => {
    if (this.isCut) throw new TypeError("cut");
    const luck = this.isFaulty ? this.random.next() : 1;
    if (luck < 0.3) this.faults++;
    if (luck < 0.08) throw new TypeError("lost on its way there");
    if (luck < 0.14) return answer(503, "SERVICE_UNAVAILABLE");
    if (luck < 0.17) return new Response("<h1>Bad gateway</h1>", { status: 502 });
    if (luck < 0.2) await sleep(200);
    const response = await fetch(url, init);
    if (luck >= 0.2 && luck < 0.3) throw new TypeError("lost on its way back");
    if (this.isFaulty && this.random.next() < 0.05) for (const socket of this.#sockets) socket.terminate();
    return response;
  };
}

function answer(status, code) {
  const body = { errors: [{ message: code, extensions: { code } }], data: null };
  return new Response(JSON.stringify(body), { status, headers: { "retry-after": "0" } });
}

/** Open a device of a user. Its waits are short, for nothing is far away. */
export async function openAt(options, name, random) {
  const wire = new Wire(random);
  const device = await openDevice({
    url: options.url,
    user: options.user,
    token: async () => options.token,
    name,
    fetch: wire.fetch,
    webSocketImpl: wire.WebSocket,
  });
  return { ...device, wire };
}

/** What the server has: outside the trash, and in it. */
export async function serverThings({ url, token }) {
  const ask = async (query, variables) => {
    const headers = { "content-type": "application/json", authorization: `Bearer ${token}` };
    const body = JSON.stringify({ query, variables });
    const { data, errors } = await (await fetch(url, { method: "POST", headers, body })).json();
    if (!data) throw new Error(JSON.stringify(errors));
    return data;
  };
  const found = [];
  for (let after = null, more = true; more; ) {
    const { changes } = await ask(feed, { after, first: 500 });
    found.push(...thingsIn(changes.nodes));
    [after, more] = [changes.pageInfo.endCursor, changes.pageInfo.hasNextPage];
  }
  for (let after = {}, more = true; more; ) {
    const { tasks, lists } = await ask(trash, { first: 100, ...after });
    found.push(...thingsIn([tasks.nodes, lists.nodes]));
    after = { tasksAfter: tasks.pageInfo.endCursor, listsAfter: lists.pageInfo.endCursor };
    more = tasks.pageInfo.hasNextPage || lists.pageInfo.hasNextPage;
  }
  return {
    tasks: new Map(found.filter(({ kind }) => kind === "TASK").map((task) => [task.id, task])),
    lists: new Map(found.filter(({ kind }) => kind === "LIST").map((list) => [list.id, list])),
  };
}

/** What people see of things, to be compared: no versions and instants, and places by their order. */
export function shown({ tasks, lists }, { withTrash = true } = {}) {
  const rows = {};
  const orders = {};
  for (const thing of [...lists.values(), ...tasks.values()].sort(byPosition)) {
    const isGone = thing.deletedAt !== null;
    if (isGone && !withTrash) continue;
    const { version, position, createdAt, updatedAt, completedAt, deletedAt, recurrence, ...rest } = thing;
    rows[thing.id] = { ...rest, isGone, recurrence: recurrence ? { ...recurrence, rrule: null } : null };
    const container = thing.kind === "LIST" ? "lists" : `in ${thing.parentId ?? thing.listId}`;
    if (!isGone) (orders[container] ??= []).push(thing.id);
  }
  return { rows, orders };
}

/** The first differences between two pictures. */
export function differences(one, other) {
  const found = [];
  for (const part of ["rows", "orders"]) {
    for (const key of new Set([...Object.keys(one[part]), ...Object.keys(other[part])])) {
      const [a, b] = [one[part][key], other[part][key]].map((each) => JSON.stringify(sorted(each)));
      if (a !== b) found.push(`${key}: ${a}\n    not ${b}`);
    }
  }
  return found;
}

function sorted(value) {
  if (value === null || typeof value !== "object" || Array.isArray(value)) return value ?? null;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([name, each]) => [name, sorted(each)]));
}

export function sleep(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** Wait until something holds; return whether it ever did. */
export async function inTheEnd(isSo, seconds = 60) {
  const end = Date.now() + seconds * 1000;
  while (Date.now() < end) {
    if (await isSo()) return true;
    await sleep(50);
  }
  return false;
}
