// One request, what has come of it, and ids.
import { pass, settle, stopTime, time } from "./support/clock.js";
import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { createTodoClient, TodoError } from "../dist/client.js";
import { createIds } from "../dist/ids.js";
import { isFinal, issueOf, match } from "../dist/outcomes.js";
import { json, page, problem } from "./support/answers.js";

afterEach(stopTime);

const clientOf = (fetch, more) => createTodoClient({ url: "http://api/graphql", token: () => "token", fetch, ...more });

test("data is data, by a POST with the token", async () => {
  let asked;
  const client = clientOf((url, options) => ((asked = { url, ...options }), json({ data: { me: { id: "1" } } })));
  assert.deepEqual(await client.request("{ me { id } }", { a: 1 }), { me: { id: "1" } });
  assert.equal(asked.method, "POST");
  assert.equal(asked.headers.authorization, "Bearer token");
  assert.deepEqual(JSON.parse(asked.body), { query: "{ me { id } }", variables: { a: 1 } });
});

test("an error says its code, its status, how long to wait and its name in the log", async () => {
  const body = { errors: [{ message: "No.", extensions: { code: "SERVICE_UNAVAILABLE", errorId: "e1" } }] };
  const failure = await clientOf(() => json(body, 503, { "retry-after": "3" })).request("{ me { id } }").catch((error) => error);
  assert.ok(failure instanceof TodoError);
  const { message, code, status, retryAfter, errorId } = failure;
  assert.deepEqual(
    { message, code, status, retryAfter, errorId },
    { message: "No.", code: "SERVICE_UNAVAILABLE", status: 503, retryAfter: 3000, errorId: "e1" },
  );
});

test("data beside an error is no data", async () => {
  const client = clientOf(() => json(problem("INTERNAL_SERVER_ERROR", { me: null, other: 1 })));
  await assert.rejects(client.request("{ me { id } }"), { code: "INTERNAL_SERVER_ERROR", status: 200 });
});

test("a request has fifteen seconds, and can be given up before", async () => {
  const hang = (_, { signal }) => new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
  const client = clientOf(hang);
  const asked = assert.rejects(client.request("{ me { id } }"), { status: 0 });
  await pass(15_000);
  await asked;
  const control = new AbortController();
  const given = assert.rejects(client.request("{ me { id } }", {}, { signal: control.signal }), { status: 0 });
  await settle();
  control.abort();
  await given;
});

test("requests at once share a token, and one that is over is fetched anew once", async () => {
  let fetched = 0;
  const seen = [];
  const fetch = (_, { headers }) => {
    seen.push(headers.authorization);
    return headers.authorization === "Bearer 1" ? json(problem("UNAUTHENTICATED"), 401) : json({ data: {} });
  };
  const client = clientOf(fetch, { token: async () => String(++fetched) });
  await Promise.all([client.request("{ me { id } }"), client.request("{ me { id } }")]);
  assert.deepEqual(seen.slice(0, 2), ["Bearer 1", "Bearer 1"]);
  const never = clientOf(() => json(problem("UNAUTHENTICATED"), 401));
  await assert.rejects(never.request("{ me { id } }"), { code: "UNAUTHENTICATED", status: 401 });
});

test("nobody is signed in: nothing is asked", async () => {
  const client = clientOf(() => assert.fail("It was asked."), { token: () => null });
  await assert.rejects(client.request("{ me { id } }"), { code: "UNAUTHENTICATED" });
});

test("what is final", () => {
  const answer = (status, ...codes) => ({ status, body: { errors: codes.map((code) => ({ extensions: { code } })) } });
  for (const code of ["FORBIDDEN", "BAD_USER_INPUT", "IDEMPOTENCY_KEY_PARAMETER_MISMATCH", undefined]) {
    assert.ok(isFinal(answer(200, code)), code);
  }
  assert.ok(isFinal({ status: 200, body: { data: {} } }));
  assert.ok(!isFinal({ status: 0 }));
  assert.ok(!isFinal({ status: 200 }));
  assert.ok(!isFinal(answer(401, "UNAUTHENTICATED")));
  assert.ok(!isFinal(answer(200, "FORBIDDEN", "TIMEOUT")));
  assert.ok(!isFinal(answer(429, undefined)));
});

test("an outcome is matched by its name", () => {
  const outcome = { __typename: "InvalidInput", message: "No.", issues: [{ path: ["tasks", "3", "title"], message: "Too short." }] };
  assert.equal(match(outcome, { Task: () => "task", InvalidInput: ({ message }) => message }), "No.");
  assert.equal(match({ __typename: "toString" }, { otherwise: () => "other" }), "other");
  assert.throws(() => match({ __typename: "toString" }, {}), TypeError);
  assert.equal(issueOf(outcome, "tasks.3.title").message, "Too short.");
  assert.equal(issueOf(outcome, "title") ?? issueOf({ __typename: "Task" }, "title") ?? issueOf(null, "title"), undefined);
});

test("ids have the server's form, grow, and go by the server's clock", async () => {
  const ids = createIds();
  const made = Array.from({ length: 1000 }, ids.task).map(Number);
  assert.ok(made.every((id, at) => at === 0 || id > made[at - 1]));
  assert.ok(made.every((id) => Math.abs(id / 2097152 - time() / 1000) < 2));
  assert.match(ids.list(), /^L\d+$/);
  ids.correct(time() - 40 * 86_400_000);
  assert.ok(Math.abs(Number(ids.task()) / 2097152 - time() / 1000 + 40 * 86_400) < 2);
});

test("the server's clock is told with each answer", async () => {
  const dates = [];
  const date = new Date(time()).toUTCString();
  await clientOf(() => json({ data: {} }, 200, { date }), { onDate: (at) => dates.push(at) }).request("{ me { id } }");
  await assert.rejects(clientOf(() => page(502), { onDate: (at) => dates.push(at) }).request("{ me { id } }"));
  assert.deepEqual(dates, [Date.parse(date)]);
});
