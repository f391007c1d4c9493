import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";

const source = (path: string) => fileURLToPath(new URL(`../../sdk/js/src/${path}`, import.meta.url));

export default defineConfig({
  server: { host: "127.0.0.1", port: Number(process.env.PORT ?? 5173), strictPort: true },
  // within this repository, use the sources of the client; in your own project, remove these lines
  resolve: {
    alias: [
      { find: "bunbase-js/live", replacement: source("live/index.ts") },
      { find: "bunbase-js/react", replacement: source("react/index.ts") },
      { find: "bunbase-js", replacement: source("index.ts") },
    ],
  },
});
