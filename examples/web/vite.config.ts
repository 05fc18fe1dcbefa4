import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";
import { apiAddress, auth, serviceWorker } from "./server/plugins.ts";

const port = Number(process.env.PORT ?? 3000);

export default defineConfig({
  plugins: [react(), auth(port), apiAddress(), serviceWorker()],
  server: { port, strictPort: true },
  preview: { port, strictPort: true },
});
