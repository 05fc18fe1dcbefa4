// Reads pairs of a title and what is said as JSON, and tells which are found: for tests/clients.
import { readFileSync } from "node:fs";

import { isFound, queryFor, wordsIn } from "../dist/search.js";

const pairs = JSON.parse(readFileSync(0, "utf-8"));
const found = pairs.map(([title, said]) => {
  const query = queryFor(said);
  return query.length > 0 && isFound(wordsIn(title), query);
});
process.stdout.write(JSON.stringify(found));
