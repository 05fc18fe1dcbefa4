// The rules of searches: what the server finds, the device finds.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { isFound, queryFor, wordsIn } from "../dist/search.js";

const cases = JSON.parse(readFileSync(new URL("search-cases.json", import.meta.url), "utf-8"));

const finds = ([title, said]) => isFound(wordsIn(title), queryFor(said));

test("what people type for a title finds it", () => {
  assert.ok(cases.found.length > 40);
  assert.deepEqual(cases.found.filter((pair) => !finds(pair)), []);
});

test("other words do not find it", () => {
  assert.ok(cases.notFound.length > 10);
  assert.deepEqual(cases.notFound.filter(finds), []);
});
