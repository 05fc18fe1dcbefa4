import react from "@vitejs/plugin-react";
import { toNodeHandler } from "better-auth/node";
import { defineConfig, type Plugin } from "vite";
import { startAuth } from "./server/auth.ts";

const port = Number(process.env.PORT ?? 3000);

/** Better Auth at /api/auth, on the page's own origin, as a full-stack framework would have it. */
const auth: Plugin = {
  name: "auth",
  async configureServer({ middlewares }) {
    const handle = toNodeHandler(await startAuth(`http://localhost:${port}`));
    middlewares.use((request, response, next) => {
      if (request.url?.startsWith("/api/auth/")) void handle(request, response);
      else next();
    });
  },
};

export default defineConfig({
  plugins: [react(), auth],
  resolve: { alias: { "@todo-api/client": new URL("src/fake", import.meta.url).pathname } },
  server: { port, strictPort: true },
});
