/**
 * `bun bunbase.mjs <folder> <url> <key> <topic> [transport…]` watches a query with bunbase-js, and prints each event.
 */
const [folder, url, key, topic, ...transports] = process.argv.slice(2);
const { createClient } = await import(`${folder}/index.js`);
const { createLive } = await import(`${folder}/live/index.js`);

const live = createLive(createClient(url, key, { storage: null }), transports.length ? { transports } : {});
live.onState((state) => console.log(`state ${state}`));
live.collection("posts").watch({ where: { topic }, sort: ["n"] }, ({ items, loading }) => {
  if (!loading) console.log(`holds ${items.map(({ _id }) => _id).join()}`);
});
