/** A page of React in strict mode that follows a live query. `window.seen` has what it has shown. */

import { createElement, StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { renderToString } from "react-dom/server";

import { createClient } from "../../../sdk/js/src/index.ts";
import { createLive, indexedDBCache } from "../../../sdk/js/src/live/index.ts";
import { useChannel, useLive } from "../../../sdk/js/src/react/index.ts";
import { createTestServer } from "../../../sdk/js/src/testing/index.ts";
import { LiveServer } from "../programs/live_server.mjs";

const server = new LiveServer(createTestServer());
const client = createClient("http://bunbase.test", "pk_test", { storage: null, fetch: server.fetch });
const live = createLive(client, { WebSocket: server.WebSocket });

function App({ n }) {
  const { items, loading, state, problem } = useLive(live.collection("posts"), n === null ? null : { where: { n }, sort: ["_id"] });
  const shown = `${n}: ${problem?.code ?? (loading ? "loading" : items.map(({ _id }) => _id).join())} ${state}`;
  (window.seen ??= []).push(shown);
  return createElement("p", null, shown);
}

function Room({ name, doing }) {
  const { members, problem } = useChannel(live.channel(`rooms/${name}`), { presence: doing && { doing }, message: ({ data }) => (window.heard ??= []).push(data) });
  return createElement("p", null, `${name}: ${problem?.code ?? members.map(({ data }) => data.doing).join()}`);
}

const app = (n) => createElement(StrictMode, null, createElement(App, { n }));
const root = createRoot(document.querySelector("main"));
Object.assign(window, { server, client, live, indexedDBCache, createLive, createClient, render: (n) => root.render(app(n)), enter: (name, doing) => root.render(createElement(StrictMode, null, createElement(Room, { name, doing }))), unmount: () => root.unmount(), onServer: () => renderToString(app(1)) });
