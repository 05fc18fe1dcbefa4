import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";
import { apiAddress, auth, serviceWorker, shellFirst } from "./server/plugins.ts";

const port = Number(process.env.PORT ?? 3000);

export default defineConfig({
  plugins: [react(), auth(port), apiAddress(), serviceWorker(), shellFirst()],
  build: {
    // Those that know `light-dark()`.
    target: ["chrome123", "edge123", "firefox120", "safari17.5"],
    // `shellFirst` does it for the first script, and parts need nothing besides that.
    modulePreload: false,
    // One file: whoever loads a part again that failed does not do so for its style.
    cssCodeSplit: false,
    rolldownOptions: {
      output: {
        codeSplitting: {
          // A part does not take along what the first script has anyway.
          includeDependenciesRecursively: false,
          groups: [
            // React changes seldom, so that it is fetched anew seldom.
            { name: "react", test: /node_modules.(react|react-dom|scheduler)./ },
            // Together they are a third smaller than one by one.
            { name: "parts", test: /src.(parts.|Selection|words)/ },
            { name: "corner", test: /src.(Corner|Account|SyncState|SignedOutNote|ToastList)\.tsx/ },
          ],
        },
      },
    },
  },
  server: { port, strictPort: true },
  preview: { port, strictPort: true },
});
