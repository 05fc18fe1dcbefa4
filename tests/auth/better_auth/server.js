// Real Better Auth for the tests: `node server.js '[{"kind": …, "databaseUrl": …, "port": …}, …]'`
// migrates its tables, serves each kind at a port, and prints one line of JSON: the URLs by kind.
import { createServer } from "node:http";
import { betterAuth } from "better-auth";
import { getMigrations } from "better-auth/db/migration";
import { toNodeHandler } from "better-auth/node";
import { bearer, jwt } from "better-auth/plugins";
import { Pool } from "pg";

const kinds = {
  // The file that docs/auth.md shows, to the letter.
  readme: async ({ url, databaseUrl }) => {
    process.env.BETTER_AUTH_URL = url;
    process.env.AUTH_DATABASE_URL = databaseUrl;
    return (await import("./auth.js")).auth;
  },
  rotating: (place) =>
    variant(place, {
      plugins: [
        jwt({ jwks: { keyPairConfig: { alg: "RS256" }, rotationInterval: 3 } }),
        bearer(),
      ],
    }),
  secret: async (place) => {
    const { sharedSecretJwt } = await import("./shared_secret.js");
    return variant(place, {
      plugins: [sharedSecretJwt, bearer()],
      session: { cookieCache: { enabled: true, strategy: "jwt" } },
    });
  },
  scoped: async (place) => {
    const { scopedJwt } = await import("./scopes.js");
    return variant(place, { plugins: [scopedJwt] });
  },
  signedCookies: (place) =>
    variant(place, {
      plugins: [jwt({ sessionCookieCache: true }), bearer()],
      session: { cookieCache: { enabled: true, strategy: "jwt" } },
    }),
};

function variant({ url, databaseUrl }, options) {
  return betterAuth({
    baseURL: url,
    secret: process.env.BETTER_AUTH_SECRET,
    database: new Pool({ connectionString: databaseUrl }),
    emailAndPassword: { enabled: true },
    user: {
      modelName: "users",
      fields: {
        emailVerified: "email_verified",
        createdAt: "created_at",
        updatedAt: "updated_at",
      },
    },
    ...options,
  });
}

async function serve({ kind, databaseUrl, port = 0 }) {
  let handle;
  const server = createServer((request, response) => handle(request, response));
  await new Promise((resolve) => server.listen(port, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${server.address().port}`;
  const auth = await kinds[kind]({ url, databaseUrl });
  await (await getMigrations(auth.options)).runMigrations();
  handle = kind === "scoped" ? await withTokensToAdd(auth) : toNodeHandler(auth);
  return [kind, url];
}

/** Answers as Better Auth does, and makes a token for a program at a path of its own. */
async function withTokensToAdd(auth) {
  const { tokenToAdd } = await import("./scopes.js");
  const others = toNodeHandler(auth);
  return async (request, response) => {
    const { pathname, searchParams } = new URL(request.url, "http://localhost");
    if (pathname !== "/token-to-add") {
      return others(request, response);
    }
    response.end(await tokenToAdd(auth, searchParams.get("user")));
  };
}

// Whoever has started this may be killed: it ends with them.
process.stdin.resume().on("end", () => process.exit());

const urls = [];
for (const place of JSON.parse(process.argv[2])) {
  // One by one: they may share a database, and each migrates it.
  urls.push(await serve(place));
}
console.log(JSON.stringify(Object.fromEntries(urls)));
