/**
 * A server of docs/live-protocol.md in memory, without sockets: it has a `fetch` and a `WebSocket` for the client. The
 * documents are those of `bunbase-js/testing`. Only the user in `owner` sees a document with this field. The server
 * fails when a test asks for it.
 */

const EPOCH = "e1";

export class LiveServer {
  seq = 0;
  epoch = EPOCH;
  /** The messages of clients in order, each with its transport and its connection: `{ by, conn, message }`. */
  heard = [];
  sessions = new Set();
  /**
   * Faults: `down` (no network), `socketsBlocked`, `streamsHeld` (no bytes get through), `mute` (it never answers),
   * `noTail`, `noResume`, `slowResults` (a promise), `failing` (returns the problem of a write, or `{ status, html }`
   * for a page of a proxy, or nothing).
   */
  faults = {};
  /** By collection, the problem with which the next watches are answered. */
  problems = {};
  requests = [];
  made = 0;
  #groups = new Map();
  #answers = new Map();
  #channels = new Map();
  #work = Promise.resolve();

  constructor(http) {
    this.http = http;
    const server = this;
    this.WebSocket = class {
      readyState = 0;
      constructor(url, protocol) {
        if (!url.startsWith("ws") || protocol !== "bunbase.live.v1") throw new Error(`a wrong socket: ${url} ${protocol}`);
        setTimeout(() => server.#accept(this), 0);
      }
      send(text) {
        const { session } = this;
        if (session) this.hears(text);
      }
      close(code = 1000) {
        this.lose(code);
      }
      lose(code) {
        if (this.readyState === 3) return;
        this.readyState = 3;
        server.sessions.delete(this.session);
        setTimeout(() => this.onclose?.({ code }), 0);
      }
    };
    this.fetch = (...given) => this.#fetch(...given);
  }

  #accept(socket) {
    if (this.faults.down || this.faults.socketsBlocked) return socket.lose(1006);
    socket.readyState = 1;
    const put = inOrder((text) => socket.readyState === 1 && socket.onmessage({ data: text }));
    const session = (socket.session = new Session("socket", put, (code) => socket.lose(code)));
    socket.hears = inOrder((text) => this.hear(session, JSON.parse(text)));
    this.sessions.add(socket.session);
    socket.onopen();
  }

  async #fetch(url, init = {}) {
    if (this.faults.down) throw new TypeError("fetch failed");
    const { pathname } = new URL(url);
    this.requests.push(`${init.method} ${pathname}`);
    if (pathname.startsWith("/v1/live")) return this.#live(pathname, init);
    const key = new Headers(init.headers).get("Idempotency-Key");
    const isWrite = (key && init.method !== "GET") || pathname === "/v1/commit";
    if (!isWrite) return this.http.fetch(url, init);
    const failure = this.faults.failing?.(`${init.method} ${pathname} ${init.body ?? ""}`);
    if (failure) {
      const headers = { "Content-Type": failure.html ? "text/html" : "application/problem+json", "Retry-After": "0" };
      return new Response(failure.html ?? JSON.stringify(failure), { status: failure.status, headers });
    }
    if (this.faults.loseRequests > 0 && this.faults.loseRequests--) throw new TypeError("fetch failed");
    if (!this.#answers.has(key)) {
      const response = await this.http.fetch(url, init);
      const text = await response.text();
      if (response.ok) await this.committed();
      this.#answers.set(key, [text, { status: response.status, headers: { ...Object.fromEntries(response.headers), "X-Bunbase-Seq": this.at } }]);
      if (!response.ok) this.#answers.delete(key), (this.refusal = [text, { status: response.status, headers: Object.fromEntries(response.headers) }]);
    }
    if (this.faults.loseAnswers > 0 && this.faults.loseAnswers--) throw new TypeError("fetch failed");
    await this.faults.slowAnswers;
    const [text, answer] = this.#answers.get(key) ?? this.refusal;
    return new Response(answer.status === 204 ? null : text, answer);
  }

  get at() {
    return `${this.epoch}.${this.seq}`;
  }

  /** Writes as another user, in one commit: `[["posts", "put", "a", { n: 1 }], …]`. */
  async commit(writes) {
    const body = JSON.stringify({ writes: writes.map(([collection, op, id, data]) => ({ op, collection, id, data })) });
    const response = await this.http.fetch("http://bunbase.test/v1/commit", { method: "POST", body, headers: { "Content-Type": "application/json" } });
    if (!response.ok) throw new Error(await response.text());
    await this.committed();
  }

  /** Sends the changes and then the barrier to all sessions. */
  committed() {
    this.seq++;
    return this.tell();
  }

  /** Updates the results of groups, except if `faults.noTail` is true. */
  tell() {
    return (this.#work = this.#work.then(async () => {
      if (this.faults.noTail) return;
      for (const group of this.#groups.values()) {
        const [before, total] = [group.docs, group.total];
        group.docs = await this.#result(group);
        const difference = differenceOf(before, group.docs) ?? (group.query?.count && group.total !== total ? {} : undefined);
        if (!difference) continue;
        group.turn++;
        const lost = this.faults.loseDiffs > 0 && this.faults.loseDiffs--;
        for (const session of this.sessions)
          if (session.groups.has(group.g) && !lost) session.put({ t: "diff", g: group.g, turn: group.turn, ...difference, ...group.n() });
      }
      for (const session of this.sessions) if (session.uid !== undefined) this.#barrier(session);
    }));
  }

  #barrier(session) {
    if (session.watches.size) session.put({ t: "at", at: this.at });
    for (const id of session.syncs.splice(0)) session.put({ t: "ok", id });
  }

  /** Sends `check` to all sessions, with a wrong digest if `wrong` is true. */
  check(digest, wrong) {
    for (const { g, turn, docs } of this.#groups.values())
      for (const session of this.sessions)
        if (session.groups.has(g)) session.put({ t: "check", g, turn, n: docs.length, h: wrong ? "00000000" : digest(docs) });
  }

  /** Cuts all connections, as a lost network does. */
  cut(code = 1006) {
    for (const session of [...this.sessions]) this.end(session, code);
  }

  end(session, code) {
    this.sessions.delete(session);
    session.close(code);
  }

  say(message) {
    for (const session of this.sessions) session.put(message);
  }

  hear(session, message) {
    this.heard.push({ by: session.by, conn: session.conn, message });
    if (this.faults.mute || !this.sessions.has(session)) return;
    this.#work = this.#work.then(() => this.#answer(session, message));
  }

  async #answer(session, message) {
    const { t, id } = message;
    if (t === "auth") return this.#sign(session, message.token, message.key, message.resume);
    // Other messages are answered while the result is slow.
    if (t === "watch" && this.faults.slowResults) return void this.faults.slowResults.then(() => this.#watch(session, message));
    if (t === "watch") return this.#watch(session, message);
    if (t === "unwatch") {
      session.watches.delete(id);
      session.put({ t: "ok", id });
      if (!session.watches.size) this.#barrier(session);
      return;
    }
    if (t === "sync") {
      if (this.faults.noTail) return session.syncs.push(id);
      if (session.watches.size) session.put({ t: "at", at: this.at });
      return session.put({ t: "ok", id });
    }
    if (t === "join" || t === "leave" || t === "publish" || t === "presence") return this.#channel(session, message);
  }

  #sign(session, token, key, resume) {
    if (key !== "pk_test" || this.refused?.(token)) {
      session.put({ t: "bye", code: "auth" });
      return this.end(session, 4401);
    }
    session.uid = this.userOf?.(token) ?? token ?? null;
    if (session.conn) return session.put({ t: "hello", conn: session.conn, ping: 20 });
    session.conn = `conn${++this.made}`;
    session.resumed = resume;
    session.put({ t: "hello", conn: session.conn, ping: 20, limits: { watches: 100, channels: 100, message_bytes: 65536 } });
  }

  async #watch(session, { id, query, doc, at, g, have }) {
    const { collection } = query ?? doc;
    const problem = this.problems[collection];
    if (problem) return session.put({ t: "error", id, problem });
    const text = JSON.stringify([query ?? doc, session.uid]);
    let group = this.#groups.get(text);
    if (!group) {
      group = { g: `g${this.#groups.size + 1}`, uid: session.uid, query, doc, turn: this.seq, n: () => (query?.count ? { n: group.total } : {}) };
      group.docs = await this.#result(group);
      this.#groups.set(text, group);
    }
    session.watches.set(id, group.g);
    const known = !this.faults.noResume && g === group.g && at?.startsWith(`${this.epoch}.`);
    // The server acts as if the log named all these documents.
    const changed = new Set(group.docs.filter(({ _seen }) => true).map(({ _id }) => _id));
    const whole = known
      ? { resumed: true, gone: have.filter((one) => !changed.has(one)), put: group.docs.map((document, index) => [index, document]) }
      : { docs: group.docs };
    session.put({ t: "now", id, g: group.g, turn: group.turn, at: this.at, ...whole, ...group.n() });
    if (!this.faults.noTail) this.#barrier(session);
  }

  async #result(group) {
    const { collection, where, sort, limit = 1000, select } = group.query ?? { ...group.doc, where: { _id: group.doc.id } };
    // The documents in memory know no patterns, and neither do local writes of the client.
    const body = JSON.stringify({ where, sort, limit: 1000 }).replace('{"$regex":"^', '{"$startsWith":"');
    const response = await this.http.fetch(`http://bunbase.test/v1/data/${collection}/query`, { method: "POST", body, headers: { "Content-Type": "application/json" } });
    const items = (await response.json()).items.filter(({ owner }) => !owner || owner === group.uid);
    group.total = items.length;
    const chosen = (document) => Object.fromEntries(Object.entries(document).filter(([name]) => name === "_id" || select.includes(name)));
    return items.slice(0, limit).map((document) => (select ? chosen(document) : document));
  }

  #room(name) {
    if (!this.#channels.has(name)) this.#channels.set(name, { c: `c${this.#channels.size + 1}`, epoch: "f1", offset: 0, ring: [], members: new Map(), keys: new Set() });
    return this.#channels.get(name);
  }

  /** Publishes a message that reaches nobody and that the channel no longer keeps. */
  publishAndForget(name) {
    const room = this.#room(name);
    room.offset++;
    room.ring = [];
  }

  #channel(session, { t, id, channel, since, presence, data, key, echo }) {
    const name = channel ?? session.joined.get(id);
    const room = this.#room(name);
    const all = (message, but) => {
      for (const one of this.sessions) if (one !== but && [...one.joined.values()].includes(name)) one.put({ c: room.c, ...message });
    };
    if (t === "join") {
      if (this.problems[name]) return session.put({ t: "error", id, problem: this.problems[name] });
      session.joined.set(id, name);
      const from = since === "start" ? 0 : since?.epoch === room.epoch ? since.offset : since ? -1 : room.offset;
      const messages = room.ring.filter(({ offset }) => offset > from);
      const lost = from < 0 || room.offset - from > messages.length;
      if (presence !== undefined) {
        const known = room.members.get(session.conn);
        room.members.set(session.conn, { m: session.conn, uid: session.uid, data: presence });
        // A real server sends this also to the member itself, although the member's list has it already.
        if (!known) setTimeout(() => all({ t: "members", enter: [room.members.get(session.conn)], n: room.members.size }), 0);
      }
      return session.put({ t: "joined", id, c: room.c, epoch: room.epoch, offset: room.offset, messages, lost, members: [...room.members.values()], n: room.members.size });
    }
    if (t === "leave") {
      session.joined.delete(id);
      if (room.members.delete(session.conn)) all({ t: "members", leave: [session.conn], n: room.members.size });
      return session.put({ t: "ok", id });
    }
    if (t === "presence") {
      room.members.set(session.conn, { m: session.conn, uid: session.uid, data });
      all({ t: "members", update: [room.members.get(session.conn)], n: room.members.size });
      return session.put({ t: "ok", id });
    }
    if (!room.keys.has(key)) {
      room.keys.add(key);
      const message = { offset: ++room.offset, from: session.uid, at: new Date().toISOString(), data };
      room.ring.push(message);
      const lost = this.faults.loseMessages > 0 && this.faults.loseMessages--;
      if (!lost) all({ t: "msg", ...message }, echo === false ? session : undefined);
    }
    if (this.faults.loseAcks > 0 && this.faults.loseAcks--) return this.end(session, 1006);
    session.put({ t: "ok", id, offset: room.offset });
  }

  #live(pathname, { method, headers, body, signal }) {
    if (method !== "POST") return new Response(null, { status: 405 });
    const given = new Headers(headers);
    const { send = [], conn, resume } = JSON.parse(body);
    const sent = { t: "auth", key: given.get("X-Bunbase-Key"), token: given.get("Authorization")?.slice(7), resume };
    const known = (name) => [...this.sessions].find((session) => session.conn === name);
    const missing = () => Response.json({ code: "live_connection_not_found" }, { status: 404 });
    if (pathname === "/v1/live") {
      if (this.faults.streamsHeld) return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
      return this.#stream(sent, send, signal);
    }
    if (pathname === "/v1/live/poll") return conn ? (known(conn) ? known(conn).poll(signal) : missing()) : this.#beginPoll(sent, signal);
    const session = known(decodeURIComponent(pathname.split("/").pop()));
    if (!session) return missing();
    for (const message of send) this.hear(session, message);
    return new Response(null, { status: 204 });
  }

  #stream(auth, send, signal) {
    let out;
    const stream = new ReadableStream({ start: (controller) => void (out = controller) });
    const encoder = new TextEncoder();
    const put = (text) => {
      // The stream sends a comment, and an event that arrives in two parts.
      const bytes = encoder.encode(`: sign of life\n\nid: ${this.at}\ndata: ${text}\n\n`);
      out.enqueue(bytes.slice(0, 30));
      out.enqueue(bytes.slice(30));
    };
    const session = new Session("sse", put, () => out.close());
    this.sessions.add(session);
    signal.addEventListener("abort", () => this.sessions.delete(session));
    for (const message of [auth, ...send]) this.hear(session, message);
    return new Response(stream, { headers: { "Content-Type": "text/event-stream" } });
  }

  #beginPoll(auth, signal) {
    const session = new Session("poll", undefined, () => {});
    session.poll = (stop) =>
      new Promise((resolve, reject) => {
        const answer = () => {
          if (!session.waiting.length && this.sessions.has(session)) return void (session.wake = answer);
          session.wake = undefined;
          if (!this.sessions.has(session)) return resolve(Response.json({ code: "live_connection_not_found" }, { status: 404 }));
          resolve(Response.json({ conn: session.conn, messages: session.waiting.splice(0) }));
        };
        stop.addEventListener("abort", () => reject(stop.reason));
        answer();
      });
    session.waiting = [];
    session.send = (text) => {
      session.waiting.push(JSON.parse(text));
      setTimeout(() => session.wake?.(), 0);
    };
    session.close = () => session.wake?.();
    this.sessions.add(session);
    this.hear(session, auth);
    return session.poll(signal);
  }
}

/**
 * Returns a function that calls `take` with each text a moment later. Browsers let a timer that was set later end
 * before others.
 */
function inOrder(take) {
  const texts = [];
  return (text) => {
    texts.push(text);
    setTimeout(() => take(texts.shift()), 0);
  };
}

class Session {
  uid = undefined;
  conn = undefined;
  watches = new Map();
  joined = new Map();
  syncs = [];

  constructor(by, send, close) {
    Object.assign(this, { by, send, close });
  }

  get groups() {
    return new Set(this.watches.values());
  }

  put(message) {
    this.send(JSON.stringify(message));
  }
}

/** Returns the difference of two results as `gone` and `put`, or undefined. Moved documents are in `put`. */
function differenceOf(before, after) {
  const old = new Map(before.map((document) => [document._id, JSON.stringify(document)]));
  const ids = new Set(after.map(({ _id }) => _id));
  const gone = before.filter(({ _id }) => !ids.has(_id)).map(({ _id }) => _id);
  const stay = before.filter((document) => ids.has(document._id)).map(({ _id }) => _id);
  const put = [];
  after.forEach((document, index) => {
    const at = stay.indexOf(document._id);
    if (old.get(document._id) === JSON.stringify(document) && at === 0) return void stay.shift();
    if (at >= 0) stay.splice(at, 1);
    put.push([index, document]);
  });
  return gone.length || put.length ? { ...(gone.length && { gone }), ...(put.length && { put }) } : undefined;
}
