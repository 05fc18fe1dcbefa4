// Better Auth on the API's own database: who signs up here is a row in `users`, and owns tasks.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { betterAuth } from "better-auth";
import { getMigrations } from "better-auth/db/migration";
import { jwt } from "better-auth/plugins";
import { Pool, type PoolConfig } from "pg";

const DATA_DIR = process.env.DATA_DIR ?? "../../.todo-api";

export async function startAuth(baseURL: string) {
  await apiIsReady(process.env.VITE_API_URL ?? "http://localhost:8000");

  const url = process.env.AUTH_DATABASE_URL;
  const pool = new Pool(url ? { connectionString: url } : embeddedDatabase());
  // A connection that breaks while idle, as when the database stops, is replaced when one is needed.
  pool.on("error", (error) => console.warn(`The database has hung up: ${error.message}`));

  const auth = betterAuth({
    baseURL,
    secret: process.env.BETTER_AUTH_SECRET ?? readFileSync(join(DATA_DIR, "secret"), "utf8"),
    database: pool,
    emailAndPassword: { enabled: true },
    plugins: [jwt()],
    user: {
      modelName: "users",
      fields: { emailVerified: "email_verified", createdAt: "created_at", updatedAt: "updated_at" },
    },
  });
  // Not its warnings: the API lets users be without an e-mail address, and Better Auth would mention that.
  const quiet = { ...auth.options, logger: { level: "error" } } as const;
  await (await getMigrations(quiet)).runMigrations();
  return auth;
}

/** Wait for the API, which starts the embedded database and makes its tables. */
async function apiIsReady(api: string) {
  for (;;) {
    const answer = await fetch(`${api}/ready`).catch(() => null);
    if (answer?.ok) return;
    await sleep(200);
  }
}

/** Where the embedded PostgreSQL listens: on a Unix socket, or on Windows by TCP. */
function embeddedDatabase(): PoolConfig {
  const [, , , port, socketFolder, address] = readFileSync(
    join(DATA_DIR, "postgres", "postmaster.pid"),
    "utf8",
  ).split(/\r?\n/);
  return { host: socketFolder || address, port: Number(port), user: "postgres", database: "todo" };
}
