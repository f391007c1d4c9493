/** A small client of docs/live-protocol.md. The client calls `tell` with its result at each barrier, and with each refusal. */
function follower(tell, answer = () => {}) {
  const results = new Map();
  const take = (message) => {
    if (message.t === "now") results.set(message.id, { g: message.g, turn: message.turn, docs: message.docs });
    if (message.t === "diff") for (const result of results.values()) if (result.g === message.g) change(result, message);
    if (message.t === "at") tell(`holds ${[...results.values()].map(({ docs }) => docs.map(({ _id }) => _id).join()).join(" ")}`);
    if (message.t === "error") tell(`refused ${message.id} ${message.problem.code}`);
    if (message.t === "bye") tell(`bye ${message.code} ${message.problem?.code}`);
    if (message.t === "ping") answer({ t: "pong" });
  };
  const change = (result, { turn, gone = [], put = [] }) => {
    if (turn <= result.turn) return;
    if (turn > result.turn + 1) throw new Error("a difference was lost");
    const away = new Set([...gone, ...put.map(([, { _id }]) => _id)]);
    result.docs = result.docs.filter(({ _id }) => !away.has(_id));
    for (const [index, document] of put) result.docs.splice(index, 0, document);
    result.turn = turn;
  };
  return (text) => [JSON.parse(text)].flat().forEach(take);
}

/** Follows the queries over any WebSocket with the interface of browsers. */
function followSocket(WebSocket, url, key, watches, tell) {
  const socket = new WebSocket(`${url.replace("http", "ws")}/v1/live`, "bunbase.live.v1");
  const send = (message) => socket.send(JSON.stringify(message));
  const take = follower(tell, send);
  socket.onopen = () => [{ t: "auth", key }, ...watches].forEach(send);
  socket.onmessage = ({ data }) => take(data);
  socket.onclose = ({ code }) => tell(`closed ${code}`);
}

/** Follows the queries over any EventSource. */
function followEvents(EventSource, url, key, watches, tell) {
  const bytes = new TextEncoder().encode(JSON.stringify(watches));
  const q = btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  const events = new EventSource(`${url}/v1/live?key=${key}&q=${q}`);
  const take = follower(tell);
  events.onmessage = ({ data }) => take(data);
  events.onerror = () => events.readyState === 2 && tell("closed");
}

globalThis.followSocket = followSocket;
globalThis.followEvents = followEvents;
