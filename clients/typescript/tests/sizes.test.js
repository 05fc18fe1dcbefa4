// What the package adds to a page, minified and gzipped, without what it depends on.
import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { buildSync } from "esbuild";

const dist = new URL("../dist/", import.meta.url).pathname;

/** Bytes of these modules, with all of ours that they import. */
function sizeOf(...names) {
  const contents = names.map((name) => `export * from "./${name}.js";`).join("");
  const { outputFiles } = buildSync({
    stdin: { contents, resolveDir: dist },
    bundle: true,
    minify: true,
    format: "esm",
    external: ["idb", "graphql-ws"],
    write: false,
  });
  return gzipSync(outputFiles[0].contents, { level: 9 }).length;
}

for (const [most, ...names] of [
  [2048, "client", "outcomes"],
  [7168, "outbox"],
  [13_312, "outbox", "replica", "follow"],
]) {
  test(`${names.join(", ")}: at most ${most} bytes`, (t) => {
    const size = sizeOf(...names);
    t.diagnostic(`${size} bytes`);
    assert.ok(size <= most, `${size} bytes`);
  });
}
