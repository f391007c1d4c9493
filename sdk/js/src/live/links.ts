/** The three transports of docs/live-protocol.md. Each transport carries the same messages, and reports its end. */

import { readJson, writeJson } from "../json.js";
import type { Received, Sent } from "./protocol.js";

/** Close codes, in addition to the close codes of the protocol. */
export const UNREACHABLE = 1006;
export const UNAUTHENTICATED = 4401;
export const TOO_MANY = 4429;
/**
 * The tab that has the connection cannot serve this tab too, so this tab opens its own connection. A server never sends
 * this code.
 */
export const ALONE = 4999;

export interface Link {
  /** `now`: true to send the messages at once, before messages that wait. */
  send(messages: readonly Sent[], now?: boolean): void;
  close(): void;
}

export interface LinkEvents {
  received(messages: Received[]): void;
  /** Bytes without a message have arrived, such as the comments of a stream, so the connection works. */
  alive(): void;
  /** The link has ended. `held`: true if a proxy has answered, but holds the messages back. */
  closed(code: number, afterMs?: number, held?: boolean): void;
}

/** The server, and the ways to reach it. */
export interface Target {
  readonly origin: string;
  readonly headers: Record<string, string>;
  readonly fetch: typeof fetch;
  readonly WebSocket: typeof WebSocket | undefined;
}

/** Opens a link. `first` is the message `auth`. */
export type Opener = (target: Target, first: Sent & { t: "auth" }, on: LinkEvents) => Link;

export type TransportName = "socket" | "sse" | "poll";

/** @internal */
export const OPENERS: Readonly<Record<TransportName, Opener>> = { socket: openSocket, sse: openStream, poll: openPoll };

function openSocket({ origin, WebSocket: Socket }: Target, first: Sent, on: LinkEvents): Link {
  const socket = new Socket!(`${origin.replace(/^http/, "ws")}/v1/live`, "bunbase.live.v1");
  const send = (messages: readonly Sent[]) => {
    if (socket.readyState === 1) for (const message of messages) socket.send(writeJson(message));
  };
  socket.onopen = () => send([first]);
  socket.onmessage = ({ data }: { data: unknown }) => on.received(messagesOf(data));
  socket.onclose = ({ code }: { code: number }) => on.closed(code);
  socket.onerror = () => {}; // the event `close` follows
  return { send, close: () => socket.close() };
}

function openStream(target: Target, first: Sent & { t: "auth" }, on: LinkEvents): Link {
  const requests = new Requests(target, first, on);
  void requests.post("", { send: [], resume: first.resume }, "text/event-stream").then(async (response) => {
    if (!response) return;
    const reader = /^text\/event-stream/.test(response.headers.get("Content-Type") ?? "") ? response.body?.getReader() : undefined;
    // in React Native a response has no stream, and some proxies answer with their own page
    if (!reader) return requests.end(UNREACHABLE, undefined, true);
    const decoder = new TextDecoder();
    let rest = "";
    try {
      for (let part = await reader.read(); !part.done; part = await reader.read()) {
        on.alive();
        const events = (rest + decoder.decode(part.value, { stream: true })).split(/\r?\n\r?\n/);
        rest = events.pop()!;
        for (const event of events) requests.received(dataOf(event));
      }
      requests.end(UNREACHABLE);
    } catch {
      requests.end(UNREACHABLE);
    }
  });
  return requests;
}

function openPoll(target: Target, first: Sent & { t: "auth" }, on: LinkEvents): Link {
  const requests = new Requests(target, first, on);
  const poll = async () => {
    for (let body: object = { send: [], resume: first.resume }; ; body = { conn: requests.conn, send: [] }) {
      const response = await requests.post("/poll", body);
      if (!response) return;
      const answer = (await response.text().then(readJson)) as { conn: string; messages: Received[] };
      requests.conn = answer.conn;
      on.alive();
      requests.received(answer.messages);
    }
  };
  void poll().catch(() => requests.end(UNREACHABLE));
  return requests;
}

/**
 * The requests of a link over HTTP. The client sends one request after the other to the server, so the messages stay in
 * order.
 */
class Requests implements Link {
  conn: string | undefined;
  #token: string | undefined;
  #queue: Sent[] = [];
  #sending = false;
  #ending = new AbortController();

  constructor(
    readonly target: Target,
    { token }: Sent & { t: "auth" },
    readonly on: LinkEvents,
  ) {
    this.#token = token;
  }

  received(messages: Received[]): void {
    for (const message of messages) if (message.t === "hello") this.conn = message.conn;
    if (!this.#ending.signal.aborted) this.on.received(messages);
    void this.#flush();
  }

  send(messages: readonly Sent[]): void {
    for (const message of messages) if (message.t === "auth") this.#token = message.token;
    this.#queue.push(...messages);
    queueMicrotask(() => this.#flush());
  }

  close(): void {
    this.end(1000);
  }

  end(code: number, afterMs?: number, held?: boolean): void {
    if (this.#ending.signal.aborted) return;
    this.#ending.abort();
    this.on.closed(code, afterMs, held);
  }

  /** Sends a request. If the request fails, ends the link and returns undefined. */
  async post(path: string, body: object, accept = "application/json"): Promise<Response | undefined> {
    const { origin, headers, fetch } = this.target;
    const all: Record<string, string> = { ...headers, Accept: accept, "Content-Type": "application/json" };
    if (this.#token) all.Authorization = `Bearer ${this.#token}`;
    try {
      const init = { method: "POST", headers: all, body: writeJson(body), signal: this.#ending.signal, cache: "no-store" } as const;
      const response = await fetch(`${origin}/v1/live${path}`, init);
      if (response.ok) return response;
      const after = Number.parseFloat(response.headers.get("Retry-After") ?? "");
      const code = response.status === 401 ? UNAUTHENTICATED : response.status === 429 ? TOO_MANY : UNREACHABLE;
      this.end(code, after >= 0 ? after * 1000 : undefined);
    } catch {
      this.end(UNREACHABLE);
    }
    return undefined;
  }

  async #flush(): Promise<void> {
    if (this.#sending || this.conn === undefined || !this.#queue.length) return;
    this.#sending = true;
    const sent = await this.post(`/${encodeURIComponent(this.conn)}`, { send: this.#queue.splice(0) });
    await sent?.text().catch(() => {});
    this.#sending = false;
    if (sent) await this.#flush();
  }
}

function messagesOf(data: unknown): Received[] {
  return [readJson(String(data)) as Received | Received[]].flat();
}

/** Returns the messages of an event of a stream. Comments and other fields contain no messages. */
function dataOf(event: string): Received[] {
  const lines = event.split(/\r?\n/).filter((line) => line.startsWith("data:"));
  return lines.length ? messagesOf(lines.map((line) => line.slice(5)).join("\n")) : [];
}
