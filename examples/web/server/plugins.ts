// What the page needs beside itself: Better Auth, the address of the API, and a service worker.
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { toNodeHandler } from "better-auth/node";
import type { Connect, Plugin, ResolvedConfig } from "vite";
import { startAuth } from "./auth.ts";

const api = () => process.env.VITE_API_URL ?? "http://localhost:8000";

/** Better Auth at /api/auth, on the page's own origin, as a full-stack framework would have it. */
export function auth(port: number): Plugin {
  async function serve(middlewares: Connect.Server) {
    const handle = toNodeHandler(await startAuth(`http://localhost:${port}`));
    middlewares.use((request, response, next) => {
      if (request.url?.startsWith("/api/auth/")) void handle(request, response);
      else next();
    });
  }
  return {
    name: "auth",
    configureServer: ({ middlewares }) => serve(middlewares),
    configurePreviewServer: ({ middlewares }) => serve(middlewares),
  };
}

/** The page says where the API is; `vite preview` puts in the address of the day, whatever it was built for. */
export function apiAddress(): Plugin {
  let config: ResolvedConfig;
  const meta = () => `<meta name="api" content="${api()}" />`;
  return {
    name: "api-address",
    configResolved: (resolved) => void (config = resolved),
    transformIndexHtml: (html) => html.replace("</head>", `  ${meta()}\n  </head>`),
    configurePreviewServer({ middlewares }) {
      middlewares.use((request, response, next) => {
        const path = request.url?.split("?")[0];
        if (path !== "/" && path !== "/index.html") return next();
        const html = readFileSync(resolve(config.root, config.build.outDir, "index.html"), "utf8");
        response.setHeader("Content-Type", "text/html; charset=utf-8");
        response.setHeader("Cache-Control", "no-cache");
        response.end(html.replace(/<meta name="api"[^>]*>/, meta()));
      });
    },
  };
}

/**
 * Style and script come after the shell that index.html has, so that it shows before they are there; what the script
 * needs is asked for along with it.
 */
export function shellFirst(): Plugin {
  return {
    name: "shell-first",
    apply: "build",
    transformIndexHtml: {
      order: "post",
      handler(html, { chunk }) {
        const isLate = /^\s*<(link rel="stylesheet"|script type="module")[^>]*>(<\/script>)?\n/gm;
        const late = [...html.matchAll(isLate)].map(([tag]) => tag.trim());
        const preloads = (chunk?.imports ?? []).map(
          (file) => `<link rel="modulepreload" crossorigin href="/${file}">`,
        );
        return html
          .replace(isLate, "")
          .replace("</head>", `  ${preloads.join("\n    ")}\n  </head>`)
          .replace("</body>", `  ${late.reverse().join("\n    ")}\n  </body>`);
      },
    },
  };
}

/** Writes `sw.js`: `service-worker.js` with the names of all files of this build. */
export function serviceWorker(): Plugin {
  let config: ResolvedConfig;
  return {
    name: "service-worker",
    apply: "build",
    configResolved: (resolved) => void (config = resolved),
    generateBundle: {
      order: "post",
      handler(_, bundle) {
        const built = Object.values(bundle);
        const files = [
          ...built.map(({ fileName }) => fileName).filter((name) => !/\.(html|map)$/.test(name)),
          ...(existsSync(config.publicDir) ? readdirSync(config.publicDir) : []),
        ].map((name) => `/${name}`);
        const hash = createHash("sha256");
        for (const each of built) hash.update(each.type === "chunk" ? each.code : each.source);
        const source = readFileSync(join(config.root, "service-worker.js"), "utf8")
          .replace('["FILES"]', JSON.stringify(files))
          .replace("VERSION", hash.digest("hex").slice(0, 12));
        this.emitFile({ type: "asset", fileName: "sw.js", source });
      },
    },
  };
}
