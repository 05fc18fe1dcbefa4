// Whatever passes: nothing is lost, nothing is done twice, and nothing overtakes anything.
import { pass, settleSoon, stopTime } from "./support/clock.js";
import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { open, refused } from "./support/outbox.js";
import { json, page, problem } from "./support/answers.js";

const HOUR = 3_600_000;

const STATUSES = {
  408: "REQUEST_TIMEOUT",
  425: "TOO_EARLY",
  429: "RATE_LIMITED",
  500: "INTERNAL_SERVER_ERROR",
  502: "BAD_GATEWAY",
  503: "SERVICE_UNAVAILABLE",
  504: "TIMEOUT",
};
const CODES = [
  "SERVICE_UNAVAILABLE",
  "TIMEOUT",
  "INTERNAL_SERVER_ERROR",
  "RATE_LIMITED",
  "REQUEST_TIMEOUT",
  "IDEMPOTENCY_CONCURRENT_REQUEST",
];

/** What may come instead of an answer, by its name. */
const WAYS = {
  "Chrome's words for no answer": () => fail("Failed to fetch"),
  "Safari's words for no answer, or for one without CORS": () => fail("Load failed"),
  "a connection that is reset": () => fail("terminated"),
  "a body that breaks off": () => new Response(new ReadableStream({ pull: (body) => body.error(new TypeError("reset")) })),
  "a request that hangs": (signal) => new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason))),
  "a page of a captive portal": () => page(200),
  "a page that wants a sign-in": () => page(401),
  "a page that is not there": () => page(404),
  "JSON that is not GraphQL's": () => json({ detail: "upstream" }),
  "an answer without what was asked": () => json({ data: { outcome: null } }),
};
for (const [status, code] of Object.entries(STATUSES)) {
  WAYS[`${status} by a page`] = () => page(Number(status));
  WAYS[`${status} by the API`] = () => json(problem(code), Number(status));
  WAYS[`${status} of the whole request`] = () => json({ errors: problem(code).errors }, Number(status));
}
for (const code of CODES) {
  WAYS[`${code} in the field`] = () => json(problem(code, { outcome: null }));
  WAYS[`${code} without data`] = () => json({ errors: problem(code).errors });
  WAYS[`${code} with a status of all is well`] = () => json(problem(code), 200);
}

function fail(words) {
  throw new TypeError(words);
}

settleSoon();
afterEach(stopTime);

for (const [name, way] of Object.entries(WAYS)) {
  for (const isDone of [false, true]) {
    const fault = (ask, { signal }) => {
      if (isDone) ask();
      return way(signal);
    };
    for (const times of ["once", "thrice", "for an hour"]) {
      test(`${name}, ${times}${isDone ? ", though it was done" : ""}`, async () => {
        const { at, expected } = await threeActs();
        if (times === "for an hour") at.server.always = fault;
        else at.server.faults = Array(times === "once" ? 1 : 3).fill(fault);
        at.outbox.start();
        await pass(HOUR);
        at.server.always = undefined;
        await pass(2 * 60_000);
        assert.deepEqual(at.server.done, expected);
        assert.deepEqual(at.outbox.entries(), []);
        assert.deepEqual(refused(at), []);
        await at.outbox.stop();
      });
    }
  }
}

/** One task is there and is ticked, another is deleted, and one is added. */
async function threeActs() {
  const at = await open();
  const [ticked, deleted, added] = [at.ids.task(), at.ids.task(), at.ids.task()];
  for (const id of [ticked, deleted]) at.server.do("createTask", { id, title: "There" });
  at.server.done = [];
  await at.outbox.act("createTask", { id: added, title: "Flour" });
  await at.outbox.act("updateTask", { id: ticked, completed: true, today: "2026-01-01" });
  await at.outbox.act("deleteTask", { id: deleted });
  return { at, expected: [`createTask ${added}`, `updateTask ${ticked}`, `deleteTask ${deleted}`] };
}
