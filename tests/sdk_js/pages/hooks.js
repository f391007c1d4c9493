/** A page of React in strict mode, where every effect runs twice. `window.renders` has what it has shown. */

import { createElement, StrictMode } from "react";
import { createRoot } from "react-dom/client";

import { createClient } from "../../../sdk/js/src/index.ts";
import { useQuery, useUser } from "../../../sdk/js/src/react/index.ts";

const client = createClient(location.origin, "pk_hooks", { retries: 0 });
const things = client.data.collection("things");
const always = client.data.collection("always"); // its query is the same for every user

function App({ kind }) {
  const user = useUser(client.auth);
  window.always = useQuery(always, {}).page?.bearer;
  (window.seen ??= []).push(`${user?.email} sees ${window.always}`);
  const { page, problem, loading, reload } = useQuery(things, user ? { where: { kind } } : null);
  window.reload = reload;
  const shown = `${user?.email ?? "nobody"} ${loading ? "loading" : (problem?.code ?? page?.bearer?.slice(0, 6) ?? "nothing")}`;
  return createElement("p", null, `${kind} ${shown}`);
}

const root = createRoot(document.querySelector("main"));
const render = (kind) => root.render(createElement(StrictMode, null, createElement(App, { kind })));
render("a");
Object.assign(window, { client, render, unmount: () => root.unmount() });
