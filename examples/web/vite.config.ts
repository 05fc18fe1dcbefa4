import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";
import { apiAddress, auth, serviceWorker, shellFirst } from "./server/plugins.ts";

const port = Number(process.env.PORT ?? 3000);

export default defineConfig({
  plugins: [react(), auth(port), apiAddress(), serviceWorker(), shellFirst()],
  build: {
    // Those that know `light-dark()`.
    target: ["chrome123", "edge123", "firefox120", "safari17.5"],
    // Every browser that this page is for knows `modulepreload`.
    modulePreload: { polyfill: false },
    // One file: whoever loads a part again that failed does not do so for its style.
    cssCodeSplit: false,
    // React changes seldom, so that it is fetched anew seldom.
    rolldownOptions: {
      output: { codeSplitting: { groups: [{ name: "react", test: /node_modules.(react|react-dom|scheduler)./ }] } },
    },
  },
  server: { port, strictPort: true },
  preview: { port, strictPort: true },
});
