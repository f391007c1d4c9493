/**
 * One connection for all tabs of a user. The tab that holds a Web Lock is the leader and has the connection. The other
 * tabs (followers) send and receive through the leader, over a BroadcastChannel. docs/decisions/0092 has the reasons.
 *
 * The life of a tab that follows: `open` → the leader answers `here` with a number for the tab, and `hello` when the
 * connection works → `send` carries messages to the leader, and `got` carries the server's messages to all tabs. The
 * number is part of each id, so two tabs never use the same id. If the leader closes, freezes or loses the connection,
 * the tabs send `open` again and continue their watches and channels, as after any lost connection. If a leader does
 * not answer, another tab takes the lock by force.
 *
 * A channel counts one member for each connection. So a tab gets its own connection if it joins a channel that another
 * tab has joined, or if its queries would exceed the limits of one connection.
 */

import type * as links from "./links.js";
import type { Link, LinkEvents, Opener } from "./links.js";
import type { Received, Sent } from "./protocol.js";

// This module is loaded when a page needs it, and imports only types: a bundler would move a shared value to a third file.
const ALONE: typeof links.ALONE = 4999;
const UNREACHABLE: typeof links.UNREACHABLE = 1006;

const ANSWER_MS = 3000;
/**
 * All numbers of tabs are smaller than this constant. The leader has the number 0. An id on the wire is `id * TABS +
 * number`, and at most 2^31.
 */
const TABS = 128;

type Hello = Extract<Received, { t: "hello" }>;
type ToLeader = { from: string } & ({ t: "open" | "close" | "hasten" } | { t: "send"; messages: readonly Sent[] });
/** `by`: the id of the leader. The tabs ignore messages of an earlier leader, which may have been frozen. */
type OfLeader =
  | { t: "here"; by: string; to: string; tab: number }
  | { t: "hello"; by: string; to: string; hello: Hello }
  | { t: "alone"; by: string; to: string }
  | { t: "got"; by: string; messages: readonly Received[] }
  | { t: "lead" | "lost"; by: string };

/**
 * The connection of the leader. `watches` and `joins`: the open watches and channels, by their ids on this connection.
 */
interface Led {
  link: Link;
  hello: Hello | undefined;
  watches: Set<number>;
  joins: Map<number, string>;
}

interface Followed {
  on: LinkEvents;
  leader: string | undefined;
  tab: number;
  greeted: boolean;
  patience: ReturnType<typeof setTimeout>;
}

/** @internal */
export class Tabs {
  /** True if this tab has the connection. */
  leads = false;
  /** Resolves when the tabs know which tab leads. Rejects if this page may not use locks. */
  readonly ready: Promise<void>;
  readonly #name: string;
  readonly #own = crypto.randomUUID();
  readonly #bus: BroadcastChannel;
  readonly #locks = navigator.locks;
  readonly #ending = new AbortController();
  readonly #tabs = new Map<string, number>();
  readonly #watched = new Set<string>();
  #lastTab = 0;
  #led: Led | undefined;
  #followed: Followed | undefined;
  #waiting: AbortController | undefined;

  constructor(
    readonly place: string,
    /**
     * The tab calls this function when it becomes the leader or stops being the leader, because it then needs another
     * link.
     */
    readonly changed: () => void,
    /** The leader calls this function when another tab has reached the server. */
    readonly reached: () => void,
  ) {
    this.#name = `bunbase-live-1:${place}`;
    this.#bus = new BroadcastChannel(this.#name);
    this.#bus.onmessage = ({ data }: { data: ToLeader | OfLeader }) => {
      if (!("from" in data)) this.#hear(data);
      else if (this.leads) this.#serve(data);
    };
    this.ready = this.#begin();
  }

  /**
   * Returns the function with which this tab opens a link. If this tab is the leader, it opens the connection with
   * `own` and shares it; otherwise it opens a link to the leader.
   */
  opener(own: Opener): Opener {
    return this.leads ? (...given) => this.#lead(own, ...given) : (_target, _first, on) => this.#follow(on);
  }

  /** Tells the leader that a request of this tab was answered, so the server can be reached. */
  hasten(): void {
    this.#say({ t: "hasten", from: this.#own });
  }

  close(): void {
    this.#ending.abort();
    this.#waiting?.abort();
    this.#bus.close();
  }

  async #begin(): Promise<void> {
    // the leader learns from this lock that the tab is gone, however it ends
    await this.#hold(this.#own, {});
    if (await this.#hold("", { ifAvailable: true })) this.#startLeading();
    else this.#wait();
  }

  #startLeading(): void {
    this.leads = true;
    this.#say({ t: "lead", by: this.#own }); // a tab may have sent `open` before this tab knew that it has the lock
  }

  /**
   * Resolves with true as soon as this tab has the lock, or with false if it does not get the lock. The tab keeps the
   * lock until it closes.
   */
  #hold(lock: string, options: LockOptions): Promise<boolean> {
    return new Promise((resolve, reject) => {
      const held = (found: Lock | null) => {
        const { signal } = this.#ending;
        resolve(found !== null);
        if (found && !signal.aborted) return new Promise<void>((release) => signal.addEventListener("abort", () => release()));
      };
      this.#locks.request(`${this.#name}:${lock}`, options, held).catch((error) => {
        reject(error);
        if (lock === "") this.#deposed();
      });
    });
  }

  /** Waits until the leader has released the lock. `steal`: takes the lock from the leader by force. */
  #wait(steal = false): void {
    this.#waiting?.abort();
    const { signal } = (this.#waiting = new AbortController());
    this.#hold("", steal ? { steal } : { signal }).then(
      () => {
        if (this.#ending.signal.aborted) return;
        this.#startLeading();
        this.changed();
      },
      () => {}, // this tab does not wait any more
    );
  }

  /** Another tab has taken the lock, because this tab was frozen or too slow. */
  #deposed(): void {
    if (!this.leads || this.#ending.signal.aborted) return;
    this.leads = false;
    this.changed();
    this.#wait();
  }

  #say(note: ToLeader | OfLeader): void {
    if (!this.#ending.signal.aborted) this.#bus.postMessage(note);
  }

  #hear(note: OfLeader): void {
    const followed = this.#followed;
    if (!followed || ("to" in note && note.to !== this.#own)) return;
    const { on, leader } = followed;
    if (note.t === "here" && !leader) {
      clearTimeout(followed.patience);
      return void Object.assign(followed, { leader: note.by, tab: note.tab });
    }
    // a tab without an answer sends `open` to the new leader
    if (note.t === "lead") return leader ? on.closed(UNREACHABLE, 0) : this.#say({ t: "open", from: this.#own });
    if (note.by !== leader) return;
    if (note.t === "hello") {
      followed.greeted = true;
      on.received([note.hello]);
    } else if (note.t === "got") {
      const messages = note.messages.flatMap((message) => forTab(message, followed.tab));
      if (followed.greeted && messages.length) on.received(messages);
    } else if (note.t === "lost") on.closed(UNREACHABLE, 0);
    else if (note.t === "alone") on.closed(ALONE);
  }

  #follow(on: LinkEvents): Link {
    const patience = setTimeout(() => this.#wait(true), ANSWER_MS);
    const followed: Followed = (this.#followed = { on, leader: undefined, tab: 0, greeted: false, patience });
    this.#say({ t: "open", from: this.#own });
    return {
      send: (all) => {
        const own = all.filter(({ t }) => t !== "pong" && t !== "auth"); // the leader sends these messages itself
        const messages = own.map((message) => withId(message, (id) => id * TABS + followed.tab));
        if (messages.length) this.#say({ t: "send", from: this.#own, messages });
      },
      close: () => {
        clearTimeout(patience);
        if (this.#followed === followed) this.#followed = undefined;
        this.#say({ t: "close", from: this.#own });
      },
    };
  }

  #lead(own: Opener, ...[target, first, on]: Parameters<Opener>): Link {
    const received = (messages: Received[]) => {
      for (const message of messages) {
        if (message.t === "end" || message.t === "error") this.#forget(led, message.id);
        if (message.t === "hello" && !led.hello) {
          led.hello = message;
          for (const to of this.#tabs.keys()) this.#say({ t: "hello", by: this.#own, to, hello: message });
        }
      }
      if (this.#tabs.size) this.#say({ t: "got", by: this.#own, messages });
      on.received(messages.flatMap((message) => forTab(message, 0)));
    };
    const ended = () => {
      if (this.#led !== led) return;
      this.#led = undefined;
      this.#tabs.clear();
      this.#say({ t: "lost", by: this.#own });
    };
    const closed: LinkEvents["closed"] = (...given) => {
      ended();
      on.closed(...given);
    };
    const link = own(target, first, { ...on, received, closed });
    const led: Led = (this.#led = { link, hello: undefined, watches: new Set(), joins: new Map() });
    return {
      send: (messages, now) => link.send(messages.flatMap((message) => this.#noted(led, withId(message, (id) => id * TABS), 0)), now),
      close: () => {
        ended();
        link.close();
      },
    };
  }

  /** Answers a follower. */
  #serve(note: ToLeader): void {
    const { from } = note;
    if (note.t === "hasten") return this.reached();
    const [led, tab] = [this.#led, this.#tabs.get(from)];
    if (note.t === "send") {
      if (led && tab) led.link.send(note.messages.flatMap((message) => (this.#tabs.has(from) ? this.#noted(led, message, tab) : [])));
      return;
    }
    this.#dismiss(from);
    if (note.t === "close") return;
    if (this.#tabs.size >= TABS - 1) return this.#say({ t: "alone", by: this.#own, to: from });
    const taken = new Set(this.#tabs.values());
    // the tab gets the next free number, because answers for the previous tab may still arrive
    do this.#lastTab = (this.#lastTab % (TABS - 1)) + 1;
    while (taken.has(this.#lastTab));
    this.#tabs.set(from, this.#lastTab);
    this.#say({ t: "here", by: this.#own, to: from, tab: this.#lastTab });
    if (led?.hello) this.#say({ t: "hello", by: this.#own, to: from, hello: led.hello });
    if (this.#watched.has(from)) return;
    this.#watched.add(from);
    const gone = () => void (this.#watched.delete(from), this.#dismiss(from));
    this.#locks.request(`${this.#name}:${from}`, { signal: this.#ending.signal }, gone).catch(() => {});
  }

  /** Ends all watches and channels of a tab. */
  #dismiss(from: string): void {
    const [led, tab] = [this.#led, this.#tabs.get(from)];
    this.#tabs.delete(from);
    if (!led || !tab) return;
    const ended: Sent[] = [];
    for (const id of led.watches) if (id % TABS === tab) ended.push({ t: "unwatch", id });
    for (const id of led.joins.keys()) if (id % TABS === tab) ended.push({ t: "leave", id });
    for (const { id } of ended as { id: number }[]) this.#forget(led, id);
    if (ended.length) led.link.send(ended);
  }

  /**
   * Records which watches and channels a message of a tab opens or closes. Returns the messages to send, or none if the
   * tab must use its own connection.
   */
  #noted(led: Led, message: Sent, tab: number): Sent[] {
    const { t } = message;
    const { watches = Infinity, channels = Infinity } = led.hello?.limits ?? {};
    const rivals = "channel" in message ? [...led.joins].flatMap(([id, name]) => (name === message.channel && id % TABS !== tab ? [id] : [])) : [];
    if (t === "unwatch" || t === "leave") this.#forget(led, message.id);
    // without its echo, another tab in this channel would count the message as lost
    if (t === "publish" && rivals.length) return [{ ...message, echo: undefined }];
    if (t !== "watch" && t !== "join") return [message];
    const full = t === "watch" ? led.watches.size >= watches : led.joins.size >= channels;
    if (full) rivals.push(...led.watches, ...led.joins.keys());
    if (rivals.length && this.#part(tab, rivals)) return [];
    if (t === "watch") led.watches.add(message.id);
    else led.joins.set(message.id, message.channel);
    return [message];
  }

  /**
   * Tells a follower to use its own connection, and returns true. For the leader itself, tells the tabs of these ids to
   * do so, and returns false.
   */
  #part(tab: number, ids: readonly number[]): boolean {
    const leaving = tab ? [tab] : ids.map((id) => id % TABS);
    for (const [to, number] of [...this.#tabs]) {
      if (!leaving.includes(number)) continue;
      this.#say({ t: "alone", by: this.#own, to });
      this.#dismiss(to);
    }
    return tab > 0;
  }

  #forget(led: Led, id: number | null): void {
    if (id === null) return;
    led.watches.delete(id);
    led.joins.delete(id);
  }
}

/** Returns a message of the server with the id of a tab, or nothing if it is for another tab. */
function forTab(message: Received, tab: number | undefined): Received[] {
  const { t } = message;
  if (tab && (t === "hello" || t === "auth" || t === "bye")) return []; // the leader itself answers these messages
  if (!("id" in message)) return [message];
  if (message.id === null) return tab ? [] : [message];
  return message.id % TABS === tab ? [{ ...message, id: Math.floor(message.id / TABS) }] : [];
}

function withId(message: Sent, change: (id: number) => number): Sent {
  return "id" in message ? { ...message, id: change(message.id) } : message;
}
