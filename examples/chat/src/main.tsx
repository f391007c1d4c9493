import { createRoot } from "react-dom/client";
import { App } from "./App.tsx";
import { client } from "./client.ts";
import { notify } from "./notice.ts";
import "./style.css";

await client.auth.ready;
await client.auth.finishRedirect().catch(notify); // a sign-in by link or by another service may end on this page
createRoot(document.getElementById("root")!).render(<App />);
