import { createRoot } from "react-dom/client";

import { App } from "./App.tsx";
import { client } from "./client.ts";

const place = document.getElementById("app");
if (!place) throw new Error("index.html has no element #app");

await client.auth.ready; // otherwise the sign-in form would appear for a moment
createRoot(place).render(<App />);
