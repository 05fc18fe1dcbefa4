// Windows of one device, by a real server: one leads, all see the same, and one that goes is replaced.
// Run by tests/clients with where the server is; prints what is wrong.
import "./devices.mjs";
import WebSocket from "ws";

import { openDevice } from "../dist/device.js";
import { inTheEnd, serverThings, sleep } from "./devices.mjs";

/** Web Locks within one process: the first comes first, and who is aborted never comes. */
class Locks {
  #last = new Map();

  request(name, { signal }, work) {
    const before = this.#last.get(name) ?? Promise.resolve();
    const aborted = new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
    let began = false;
    const turn = before.then(() => {
      if (signal.aborted) return undefined;
      began = true;
      return work();
    });
    this.#last.set(name, turn.catch(() => {}));
    return Promise.race([turn, aborted.catch((error) => (began ? turn : Promise.reject(error)))]);
  }
}

const options = JSON.parse(process.argv[2]);
const failures = [];
const check = (isSo, what) => isSo || failures.push(what);
let sockets = 0;
class Socket extends WebSocket {
  constructor(...given) {
    super(...given);
    sockets++;
    this.on("close", () => sockets--);
    this.on("error", () => {});
  }
}
const open = (name) =>
  openDevice({ ...options, token: async () => options.token, name, webSocketImpl: Socket });
const sees = (device, title) => [...device.replica.things().tasks.values()].some((task) => task.title === title);
const become = (value) => Object.defineProperty(globalThis, "navigator", { value, configurable: true, writable: true });

become({ locks: new Locks() });
const name = `windows-${options.user}`;
const [one, two, three] = [await open(name), await open(name), await open(name)];
check(await inTheEnd(() => [one, two, three].every(({ replica }) => replica.state().isLive)), "not all know that it is live");
check(sockets === 1, `${sockets} sockets for three windows`);

await two.outbox.act("createTask", { id: two.ids.task(), title: "By the second" });
check(sees(two, "By the second"), "an act is not seen at once");
check(await inTheEnd(() => sees(one, "By the second") && sees(three, "By the second")), "an act is not seen in other windows");
check(await inTheEnd(() => [one, two, three].every(({ outbox }) => outbox.state().waiting === 0)), "an act of another window is not sent");
check([...(await serverThings(options)).tasks.values()].length === 1, "the server has it not once");

await one.close();
const before = Date.now();
check(await inTheEnd(() => sockets === 1 && two.replica.state().isLive, 10), "nobody leads after the first");
const took = Date.now() - before;
await three.outbox.act("createTask", { id: three.ids.task(), title: "By the third" });
check(await inTheEnd(() => three.outbox.state().waiting === 0), "after a change of who leads nothing is sent");
check(await inTheEnd(() => sees(two, "By the third")), "nor seen");

await three.forget();
check(await inTheEnd(() => sockets === 0), "the others follow on after all was forgotten");
const names = (await indexedDB.databases()).map((each) => each.name);
check(!names.includes(name), "something is left on the device");

// Without Web Locks each window leads, and each act is done once.
become({});
const twins = [await open(`${name}-twins`), await open(`${name}-twins`)];
for (let n = 0; n < 20; n++) {
  const device = twins[n % 2];
  await device.outbox.act("createTask", { id: device.ids.task(), title: `Twin ${n}` });
}
check(await inTheEnd(() => twins.every(({ outbox }) => outbox.state().waiting === 0 && outbox.entries().length === 0)), "twins do not send all");
check(twins.every(({ outbox }) => outbox.refused().length === 0), "twins are refused something");
const titles = [...(await serverThings(options)).tasks.values()].map(({ title }) => title);
check(new Set(titles).size === titles.length && titles.length === 22, `twins do some twice: ${titles}`);
check(await inTheEnd(() => twins.every((device) => sees(device, "Twin 0") && sees(device, "Twin 19"))), "twins do not see all");
for (const device of twins) await device.close();

// Where nothing can be kept, it works for as long as the page lives.
const kept = globalThis.indexedDB;
globalThis.indexedDB = { open: () => { throw new DOMException("refused", "SecurityError"); } };
const memory = await open(`${name}-memory`);
check(!memory.outbox.state().isKept, "it says that it keeps what it cannot keep");
await memory.outbox.act("createTask", { id: memory.ids.task(), title: "In memory" });
check(await inTheEnd(() => memory.outbox.state().waiting === 0), "from memory nothing is sent");
check(await inTheEnd(() => sees(memory, "Twin 3") && sees(memory, "In memory")), "from memory not all is seen");
await memory.close();
globalThis.indexedDB = kept;
await sleep(50);

process.stdout.write(JSON.stringify({ failures, took }));
process.exit(0);
