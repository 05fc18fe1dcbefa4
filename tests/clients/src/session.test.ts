/** The token that both clients send. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { sessionBy } from "./session.js";

test("session: a token is fetched once, however many ask for it", async () => {
  let fetched = 0;
  const session = sessionBy(async () => `token ${++fetched}`);
  assert.deepEqual(await Promise.all([session.token(), session.token()]), ["token 1", "token 1"]);
  session.renew();
  assert.equal(await session.token(), "token 2");
});

test("session: a token that could not be fetched is fetched again", async () => {
  const answers = [Promise.reject(new Error("away")), Promise.resolve("token")];
  const session = sessionBy(() => answers.shift()!);
  await assert.rejects(session.token(), /away/);
  assert.equal(await session.token(), "token");
});
