import { createRoot } from "react-dom/client";

import { App } from "./App.tsx";
import { client } from "./client.ts";

const place = document.getElementById("app");
if (!place) throw new Error("index.html has no element #app");

await client.auth.ready; // the session of the last visit: without it, the form for signing in would flash
createRoot(place).render(<App />);
