// Bundles the page and serves it on this machine. Each reload of the page bundles it again.
import { context } from "esbuild";

const { BUNBASE_URL, BUNBASE_KEY, PORT = "3000" } = process.env;
if (!BUNBASE_URL || !BUNBASE_KEY) throw new Error("Run `npm run setup` first: it writes .env.");

const page = await context({
  entryPoints: ["src/main.tsx"],
  outdir: "public/build",
  bundle: true,
  format: "esm",
  jsx: "automatic",
  define: {
    BUNBASE_URL: JSON.stringify(BUNBASE_URL),
    BUNBASE_KEY: JSON.stringify(BUNBASE_KEY), // a publishable key: everybody who has the page may know it
    "process.env.NODE_ENV": JSON.stringify(process.env.NODE_ENV ?? "development"),
  },
});
await page.serve({ servedir: "public", host: "127.0.0.1", port: Number(PORT) });
console.log(`The todos are at http://127.0.0.1:${PORT}`);
