import { createRoot } from "react-dom/client";
import { App } from "./App.tsx";
import { client } from "./client.ts";
import { notify } from "./notice.ts";
import "./style.css";

await client.auth.ready;
await client.auth.finishRedirect().catch(notify); // the page may be the end of a sign-in by link or service
createRoot(document.getElementById("root")!).render(<App />);
