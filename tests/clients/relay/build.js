/** Bundles the tests of Relay: babel-plugin-relay has the compiler's artifacts imported. */

import { transformFileAsync } from "@babel/core";
import { build } from "esbuild";

const relay = {
  name: "relay",
  setup({ onLoad }) {
    onLoad({ filter: /\/relay\/[^/]*\.tsx$/ }, async ({ path }) => {
      const options = {
        configFile: false,
        parserOpts: { plugins: ["typescript", "jsx"] },
        plugins: ["relay"],
      };
      return { contents: (await transformFileAsync(path, options)).code, loader: "tsx" };
    });
  },
};

await build({
  entryPoints: ["relay/relay.test.tsx"],
  outdir: "build",
  bundle: true,
  format: "esm",
  platform: "node",
  jsx: "automatic",
  external: ["graphql-ws", "happy-dom", "ws"],
  // React looks for modules of Node by require.
  banner: { js: 'import { createRequire } from "module"; const require = createRequire(import.meta.url);' },
  plugins: [relay],
});
