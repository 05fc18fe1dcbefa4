// `npm start`: the API on one port, the page and Better Auth on another, until Ctrl-C stops them all.
// `npm run start:built`: the same with the built page, which opens without a network once it was open.
import concurrently from "concurrently";

const { PORT = "3000", API_PORT = "8000" } = process.env;
const page = `http://localhost:${PORT}`;
const api = `http://localhost:${API_PORT}`;
const serve = process.argv[2] ?? "dev";

const { result } = concurrently(
  [
    {
      name: "api",
      command: `uv run --no-dev --directory ../.. todo-api serve --port ${API_PORT}`,
      env: { BETTER_AUTH_URL: page, CORS_ORIGINS: page },
    },
    { name: "web", command: `npm run ${serve}`, env: { PORT, VITE_API_URL: api } },
  ],
  { killOthersOn: ["failure", "success"], prefixColors: "auto" },
);
result.catch(() => process.exit(1));
