/**
 * A page of React in strict mode with the hooks for files, against the server in memory. `window.held` stops the
 * requests whose method and path match it, until `release()`.
 */

import { createElement, StrictMode } from "react";
import { renderToString } from "react-dom/server.browser";
import { createRoot } from "react-dom/client";

import { createClient } from "../../../sdk/js/src/index.ts";
import { useFiles, useFileUrl, useUpload, useUser } from "../../../sdk/js/src/react/index.ts";
import { createTestServer } from "../../../sdk/js/src/testing/index.ts";

const server = createTestServer({}, { photos: {} });
let release = () => {};
const fetch = async (url, init) => {
  const line = `${init.method} ${new URL(url).pathname}`;
  if (window.held?.test(line)) {
    window.stopped = line;
    await new Promise((resolve, reject) => {
      release = resolve;
      init.signal.addEventListener("abort", () => reject(init.signal.reason));
    });
  }
  return server.fetch(url, init);
};
const client = createClient(location.origin, "pk_files", { fetch, storage: null, retries: 0 });
const signs = [];
const sign = async (key) => {
  signs.push(key);
  return { url: `${server.signedUrl("photos", key)}#${signs.length}`, expires_at: new Date(Date.now() + 1000).toISOString() };
};

function Uploading() {
  const use = useUpload(client.files.bucket("photos"));
  window.use = use;
  const { state, progress, file, problem } = use;
  return createElement("p", { id: "upload" }, [state, progress && `${progress.sent}/${progress.total}`, file?.key, problem?.code].filter(Boolean).join(" "));
}

function Listing() {
  const { items, hasMore, more, loading } = useFiles(client.files.bucket("photos"), { prefix: "list/", limit: 2 });
  window.more = more;
  (window.lists ??= []).push([client.auth.user?.email ?? "nobody", items.map(({ owner }) => owner)]);
  return createElement("p", { id: "list" }, `${loading ? "loading" : "ready"} ${items.map(({ key }) => key.slice(5)).join()} ${hasMore ? "more" : "end"}`);
}

function Picture({ id, signed, of }) {
  const { url, loading, problem } = useFileUrl(client.files.bucket("photos"), of, signed ? { sign } : {});
  (window.addresses ??= []).push([client.auth.user?.email ?? "nobody", url]);
  return createElement("img", { id, src: url, alt: loading ? "loading" : (problem?.code ?? "ready") });
}

function App({ shown, of }) {
  useUser(client.auth);
  const parts = { upload: Uploading, list: Listing, one: Picture, other: Picture, signed: Picture };
  return shown.map((id) => createElement(parts[id], { id, of, signed: id === "signed", key: id }));
}

const element = (shown, of) => createElement(StrictMode, null, createElement(App, { shown, of }));
const root = createRoot(document.querySelector("main"));
const text = async (url) => (await globalThis.fetch(url)).text();
Object.assign(window, { client, server, signs, text, ...{ render: (shown, of = null) => root.render(element(shown, of)), unmount: () => root.unmount() } });
Object.assign(window, { onServer: () => renderToString(element(["upload", "list", "one", "signed"], "a")), release: () => release() });
