// Whatever passes: nothing is lost, nothing is done twice, and nothing overtakes anything.
import { pass, settleSoon, stopTime, time } from "./support/clock.js";
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

/** How long it lasts for each act, by the number of its tries and the milliseconds since the first. */
const TIMES = {
  once: (tries) => tries === 1,
  thrice: (tries) => tries <= 3,
  "for an hour": (_, since) => since < HOUR,
};

for (const [name, way] of Object.entries(WAYS)) {
  for (const [times, lasts] of Object.entries(TIMES)) {
    for (const isDone of [false, true]) {
      test(`${name}, ${times}${isDone ? ", though it was done" : ""}`, async () => {
        const { at, expected } = await threeActs();
        const tried = new Map();
        at.server.always = (ask, { request: { variables }, signal }) => {
          // Others are no better off: nothing is due to the act alone.
          const act = tried.get(variables.input?.id ?? [...tried.keys()].at(-1)) ?? { tries: 0, first: time() };
          if (variables.input) tried.set(variables.input.id, { ...act, tries: act.tries + 1 });
          if (!lasts(act.tries + 1, time() - act.first)) return ask();
          if (isDone) ask();
          return way(signal);
        };
        at.outbox.start();
        await pass(4 * HOUR);
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
