import "./style.css";

import { createRoot } from "react-dom/client";

import { App } from "./App.tsx";
import { client } from "./client.ts";

await client.auth.ready; // the session of the last visit: without it, the form for the name would flash
createRoot(document.getElementById("app")!).render(<App />);
