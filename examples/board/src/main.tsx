import "./style.css";

import { createRoot } from "react-dom/client";

import { App } from "./App.tsx";
import { client } from "./client.ts";

await client.auth.ready; // otherwise the form for the name would appear for a moment
createRoot(document.getElementById("app")!).render(<App />);
