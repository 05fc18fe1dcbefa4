// `npm start`: the API on one port, the page and Better Auth on another, until Ctrl-C stops them.
import { existsSync } from "node:fs";
import concurrently from "concurrently";

if (existsSync(".env.local")) process.loadEnvFile(".env.local");
const { BETTER_AUTH_URL = "http://localhost:3000", NEXT_PUBLIC_API_URL = "http://localhost:8000/graphql" } =
  process.env;
const page = new URL(BETTER_AUTH_URL);
const api = new URL(NEXT_PUBLIC_API_URL);

const { result } = concurrently(
  [
    {
      name: "api",
      command: `uv run --no-dev --directory ../.. todo-api serve --port ${api.port}`,
      env: { BETTER_AUTH_URL: page.origin, CORS_ORIGINS: page.origin },
    },
    {
      name: "page",
      command: "node page.js",
      env: { BETTER_AUTH_URL: page.origin, NEXT_PUBLIC_API_URL: api.href, PORT: page.port },
    },
  ],
  { killOthersOn: ["failure", "success"], prefixColors: "auto" },
);
result.catch(() => process.exit(1));
