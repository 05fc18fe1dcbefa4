// Starts the page when the API is ready, on the API's own database where no other is named.
import { execFileSync, spawn } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";

const api = process.env.NEXT_PUBLIC_API_URL.replace("/graphql", "");
while (!(await fetch(`${api}/ready`).catch(() => undefined))?.ok) await sleep(200);

const command = ["run", "--no-dev", "--directory", "../..", "todo-api", "database-url", "--admin"];
process.env.NEXT_TELEMETRY_DISABLED = "1";
process.env.AUTH_DATABASE_URL ||= execFileSync("uv", command, { encoding: "utf8" }).trim();
spawn("npx", ["next", "dev", "--hostname", "localhost"], { stdio: "inherit" }).on("exit", (code) => process.exit(code ?? 0));
