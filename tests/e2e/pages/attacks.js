// Runs in a page of a hostile function. `victims`: URLs of pages and routes of BunBase and of other projects.
// Returns the result of each successful attack on each victim.
async ({ victims, worker }) => {
  const got = {};
  const running = [];
  const attempt = (name, attack) => running.push(made(name, attack));
  const made = async (name, attack) => {
    const done = (async () => attack())().catch(() => null);
    const late = new Promise((resolve) => setTimeout(() => resolve(null), 4000));
    const result = await Promise.race([done, late]);
    if (result) got[name] = String(result).slice(0, 200);
  };
  const loaded = (element) => new Promise((resolve) => { element.onload = element.onerror = resolve; });

  attempt("localStorage of the origin", () => JSON.stringify(localStorage) !== "{}" && JSON.stringify(localStorage));
  attempt("sessionStorage of the origin", () => sessionStorage.length);
  attempt("IndexedDB of the origin", async () => (await indexedDB.databases()).map((one) => one.name).join());
  attempt("caches of the origin", async () => (await caches.keys()).join());
  attempt("cookies by script", () => document.cookie.includes("bb_") && document.cookie);
  attempt("service worker", async () => (await navigator.serviceWorker.register(worker, { scope: "/" })).scope);
  attempt("service worker of its own folder", async () => {
    const made = await navigator.serviceWorker.register(worker);
    return made.scope.endsWith("/v1/functions/hostile/") || !made.scope.includes("hostile") ? made.scope : null;
  });
  attempt("opener", () => window.opener && window.opener.document.title + " read");
  attempt("top", () => window !== window.top && window.top.document.title + " read");
  for (const victim of victims) {
    attempt(`fetch ${victim}`, async () => (await fetch(victim, { credentials: "include" })).text());
    attempt(`iframe ${victim}`, async () => {
      const frame = document.createElement("iframe");
      frame.src = victim;
      const ready = loaded(frame);
      document.body.append(frame);
      await ready;
      return frame.contentDocument && frame.contentDocument.documentElement.outerHTML;
    });
    attempt(`window.open ${victim}`, async () => {
      const opened = window.open(victim);
      if (!opened) return null;
      try {
        for (let n = 0; n < 10; n++) {
          await new Promise((resolve) => setTimeout(resolve, 50));
          if (opened.location.href !== "about:blank") return opened.document.documentElement.outerHTML;
        }
        return null;
      } finally { opened.close(); }
    });
  }
  for (const cookie of ["bb_console=tossed; path=/", "bb_console=tossed; path=/; domain=localhost", "=bb_console=tossed; path=/"]) {
    attempt(`tossing ${cookie}`, () => { document.cookie = cookie; });
  }
  await Promise.all(running);
  return got;
}
