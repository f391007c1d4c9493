/**
 * The one connection of a client. This class chooses the transport, decides when to connect again, and checks whether
 * the connection still works.
 *
 * The life of one attempt: the client gets the newest token → it opens a WebSocket → if no `hello` arrives within five
 * seconds, or if WebSocket is blocked, it opens a stream of events → if no `hello` arrives within five seconds, it uses
 * long polling. When the connection is lost, the next attempt follows after a random time (full jitter) of at most ten
 * seconds, or when the server asked for it. An answered request of the client shortens this time. A page that becomes
 * visible, or gets its network back, does not wait: it sends a probe to the server, and connects again if no answer
 * arrives within three seconds.
 */

import { LONGEST_TIMER_MS } from "../deadline.js";
import type { Credentials } from "../transport.js";
import { ALONE, type Link, type LinkEvents, OPENERS, type Opener, type Target, type TransportName, UNAUTHENTICATED, UNREACHABLE } from "./links.js";
import { paced } from "./pacing.js";
import type { Received, Sent } from "./protocol.js";
import type { Tabs } from "./tabs.js";

const HELLO_MS = 5000;
const SILENT_MS = 45_000;
const PROBE_MS = 3000;
const FIRST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 10_000;
/** The time after which a connection counts as stable, so that the next pause is short again. */
const STEADY_MS = 10_000;
/**
 * The pause after an error that this client has caused. Without the pause, the client would repeat the error
 * immediately.
 */
const FAULT_PAUSE_MS = 30_000;
const FAULTS: readonly number[] = [1002, 1007, 1008, 1009];

/** The object that uses the connection: it has messages to send, and handles the server's messages. */
export interface Host {
  readonly credentials: Credentials | undefined;
  /** The project and the user. Tabs with the same project, user and session share a connection. */
  readonly place: string;
  begin(token: string | null): Sent & { t: "auth" };
  probe(): Sent;
  received(messages: Received[]): void;
  /** The connection was lost. */
  lost(): void;
  /**
   * There is no connection, or the browser reports that there is no network. The state is unknown until the next
   * message.
   */
  away(): void;
  failed(error: unknown): void;
}

/** @internal */
export class Connection {
  /** The transport of the present connection. */
  transport: TransportName | "tab" | undefined;
  #link: Link | undefined;
  #running = false;
  #greeted = false;
  #token: string | null = null;
  #refused: string | undefined;
  #place = 0;
  #socketWorked = false;
  #attempts = 0;
  #failures = 0;
  /** The number of attempts since the last connection that began earlier because a request was answered. */
  #hastened = 0;
  #triedAt = 0;
  /** The time at which the next attempt to connect is planned. Undefined if `hasten` may not move it forward. */
  #dueAt: number | undefined;
  #heardAt = 0;
  #greetedAt = 0;
  #bye: number | undefined;
  #again: Timer;
  #watchdog: Timer;
  #tabs: Tabs | undefined;
  /** True if the last connection belonged to another tab. */
  #borrowed = false;
  #ending: AbortController | undefined;

  constructor(
    readonly host: Host,
    readonly target: Target,
    /** The transports that this runtime supports, at least one. */
    readonly transports: readonly TransportName[],
    /** True if tabs of the same user may share one connection. */
    private shares: boolean,
  ) {}

  /** Connects, and stays connected. Idempotent. */
  start(): void {
    if (this.#running) return;
    this.#running = true;
    this.#listen();
    void this.#connect();
  }

  stop(): void {
    this.#running = false;
    this.#ending?.abort();
    this.#drop();
    this.#part();
    clearTimeout(this.#again);
    this.#dueAt = undefined;
  }

  /** Begins a new connection now, for example for another user. */
  restart(): void {
    this.#drop();
    this.#failures = this.#hastened = 0;
    this.#refused = undefined;
    if (this.#running) void this.#connect();
  }

  /** Sends messages if there is a connection. After a loss, the machine sends the necessary messages again. */
  send(messages: readonly Sent[]): void {
    this.#link?.send(messages);
  }

  /** Sends the newest token. `wanted`: the server has asked for a different token. */
  async renew(wanted: boolean): Promise<void> {
    const { credentials } = this.host;
    const [link, old] = [this.#link, this.#token];
    if (!credentials || !link) return;
    try {
      const token = await (wanted && old ? credentials.renewed(old) : credentials.current());
      if (link !== this.#link || !token || token === this.#token) return;
      this.#token = token;
      this.send([this.host.begin(token)]);
    } catch (error) {
      this.host.failed(error); // the server closes the connection when the token expires
    }
  }

  /** Checks that the connection still works. */
  check(): void {
    if (!this.#running) return;
    if (!this.#link) return this.restart();
    if (!this.#greeted) return;
    if (Date.now() - this.#heardAt > SILENT_MS) return this.restart();
    const [link, heardAt] = [this.#link, this.#heardAt];
    this.#link.send([this.host.probe()], true);
    setTimeout(() => link === this.#link && heardAt === this.#heardAt && this.restart(), PROBE_MS);
  }

  /**
   * A request of the client was answered, so the server can be reached: the next attempt follows at once. While
   * attempts fail although requests are answered, the time between them doubles.
   */
  hasten(): void {
    // the tab that holds the connection will connect again
    if (this.transport === "tab" && !this.#greeted) this.#tabs?.hasten();
    if (this.#dueAt === undefined) return;
    const at = this.#triedAt + Math.min(FIRST_PAUSE_MS * 2 ** this.#hastened++, LONGEST_PAUSE_MS);
    // the pause has a limit, because the clock may be set back
    const pause = Math.min(Math.min(this.#dueAt, at) - Date.now(), LONGEST_PAUSE_MS);
    this.#dueAt = undefined;
    this.#wait(pause);
  }

  async #connect(): Promise<void> {
    clearTimeout(this.#again);
    this.#dueAt = undefined;
    this.#triedAt = Date.now();
    const attempt = ++this.#attempts;
    const { credentials } = this.host;
    try {
      await credentials?.ready;
      const token = await (this.#refused ? credentials?.renewed(this.#refused) : credentials?.current());
      await this.#share();
      if (attempt !== this.#attempts || !this.#running) return;
      this.#token = token ?? null;
    } catch (error) {
      if (attempt !== this.#attempts || !this.#running) return;
      this.host.failed(error);
      return this.#later();
    }
    this.#refused = undefined;
    this.#open();
  }

  /**
   * Finds the tab that has the connection, if tabs share one. The user may change meanwhile: then another attempt
   * follows.
   */
  async #share(): Promise<void> {
    const { credentials } = this.host;
    // tabs with separate sessions of one user may have different claims, so they do not share a connection
    const place = () => `${this.host.place}:${credentials?.sharedAs ?? ""}`;
    if (this.#tabs?.place !== place()) this.#part();
    if (!this.shares || this.#tabs || (credentials && credentials.sharedAs === undefined)) return;
    const asked = place();
    try {
      const { Tabs } = await import("./tabs.js");
      if (this.#running && asked === place()) this.#tabs ??= new Tabs(asked, () => this.restart(), () => this.hasten());
      await this.#tabs?.ready;
    } catch {
      this.#alone(); // the module could not be loaded, or this page may not use locks
    }
  }

  #alone(): void {
    this.shares = false;
    this.#part();
  }

  #part(): void {
    this.#tabs?.close();
    this.#tabs = undefined;
  }

  #open(): void {
    const tabs = this.#tabs;
    const follows = tabs?.leads === false;
    const name = this.transports[this.#place]!;
    const first = this.host.begin(this.#token);
    if (this.#borrowed && !tabs) delete first.resume; // the other tab still has the connection
    this.#borrowed = follows;
    const events: LinkEvents = {
      received: (messages) => link === this.#link && this.#received(messages),
      alive: () => link === this.#link && void (this.#heardAt = Date.now()),
      closed: (code, afterMs, held) => link === this.#link && this.#closed(code, afterMs, held),
    };
    this.transport = follows ? "tab" : name;
    const own: Opener = (...given) => paced(OPENERS[name](...given));
    let link: Link | undefined;
    try {
      link = (tabs?.opener(own) ?? own)(this.target, first, events);
    } catch {
      // the page may not use sockets (a content security policy)
    }
    this.#link = link;
    if (!link) return this.#closed(UNREACHABLE);
    // a tab that uses the leader's connection waits as long as the leader has no connection
    this.#watchdog = setTimeout(() => (follows ? this.host.away() : this.#closed(UNREACHABLE, undefined, true)), HELLO_MS);
  }

  #received(messages: Received[]): void {
    this.#heardAt = Date.now();
    for (const message of messages) {
      if (message.t === "bye") this.#bye = message.after_ms;
      if (message.t === "hello" && !this.#greeted) {
        this.#greeted = true;
        this.#greetedAt = Date.now();
        this.#hastened = 0;
        this.#socketWorked ||= this.transport === "socket";
        clearTimeout(this.#watchdog);
        this.#watch();
      }
    }
    this.host.received(messages);
  }

  #watch(): void {
    const left = this.#heardAt + SILENT_MS - Date.now();
    this.#watchdog = setTimeout(() => {
      if (Date.now() - this.#heardAt >= SILENT_MS) this.#closed(UNREACHABLE);
      else this.#watch();
    }, Math.min(left, SILENT_MS / 3));
  }

  #closed(code: number, afterMs = this.#bye, held = false): void {
    const [greeted, transport] = [this.#greeted, this.transport];
    if (greeted && Date.now() - this.#greetedAt > STEADY_MS) this.#failures = 0;
    this.#drop();
    if (!this.#running) return;
    if (code === ALONE) {
      this.#alone();
      return void this.#connect();
    }
    if (code === UNAUTHENTICATED) this.#refused = this.#token ?? undefined;
    // after the first refusal of a token, the client gets a new token and does not wait
    if (code === UNAUTHENTICATED && this.#refused && greeted) return void this.#connect();
    if (!greeted && code !== UNAUTHENTICATED && afterMs === undefined && this.#tryNext(transport, held)) return void this.#connect();
    this.#later(FAULTS.includes(code) ? FAULT_PAUSE_MS * (1 + Math.random()) : afterMs);
  }

  /** Chooses the next transport. Returns false after the last transport, or if the server itself is unreachable. */
  #tryNext(transport: Connection["transport"], held: boolean): boolean {
    const isSocket = transport === "socket";
    // a socket that worked before is not blocked: more likely the server is unreachable
    const away = !hasNetwork() || (isSocket ? this.#socketWorked && this.#failures < 2 && !held : !held);
    const last = this.#place + 1 >= this.transports.length;
    if (away || last) {
      if (!isSocket) this.#place = 0;
      return false;
    }
    this.#place++;
    return true;
  }

  #later(afterMs?: number): void {
    const longest = Math.min(FIRST_PAUSE_MS * 2 ** this.#failures++, LONGEST_PAUSE_MS);
    const pause = afterMs ?? (hasNetwork() ? Math.random() * longest : LONGEST_PAUSE_MS);
    this.host.away();
    if (afterMs === undefined) this.#dueAt = Date.now() + pause;
    this.#wait(pause);
  }

  #wait(ms: number): void {
    clearTimeout(this.#again);
    this.#again = setTimeout(() => void this.#connect(), Math.min(ms, LONGEST_TIMER_MS));
  }

  #drop(): void {
    const [link, greeted] = [this.#link, this.#greeted];
    this.#link = this.transport = this.#bye = undefined;
    this.#greeted = false;
    clearTimeout(this.#watchdog);
    link?.close();
    if (greeted) this.host.lost();
  }

  #listen(): void {
    const { signal } = (this.#ending = new AbortController());
    const check = () => this.check();
    const online = () => {
      this.#place = 0; // another network may allow sockets
      // an attempt that began without a network may never get an answer
      if (!this.#greeted && this.transport !== "tab") return this.restart();
      this.check();
    };
    const { document } = globalThis as { document?: Document };
    globalThis.addEventListener?.("online", online, { signal });
    // without a network, a socket stays open for a long time; a socket to this machine may still work
    const offline = () => {
      this.host.away();
      check();
    };
    globalThis.addEventListener?.("offline", offline, { signal });
    if (!document) return;
    // a page in the cache of the browser must not have a connection
    globalThis.addEventListener("pagehide", ({ persisted }) => persisted && (this.#drop(), this.#part()), { signal });
    globalThis.addEventListener("pageshow", ({ persisted }) => persisted && this.restart(), { signal });
    document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && check(), { signal });
    document.addEventListener("resume", check, { signal });
  }
}

/** False if the browser knows that this machine has no network. A server on this machine may still be reachable. */
function hasNetwork(): boolean {
  return (globalThis.navigator as { onLine?: boolean } | undefined)?.onLine !== false;
}

type Timer = ReturnType<typeof setTimeout> | undefined;
