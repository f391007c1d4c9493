/** Connects the machine and the connection: it performs effects, and calls the listeners of results and channels. */

import type { Why } from "../auth/types.js";
import { readJson, writeJson } from "../json.js";
import { invalidValue, Problem, type ProblemBody } from "../problem.js";
import { randomText, type Transport } from "../transport.js";
import { Connection, type Host } from "./connection.js";
import type { Target, TransportName } from "./links.js";
import { type Effect, type Join, Machine, type Watch } from "./machine.js";
import type { ChannelMessage, Received, Sent, Since, Watched } from "./protocol.js";

/**
 * `live`: the result is up to date. `behind`: a newer result will arrive; this is also the state before the first
 * connection. `offline`: there is no connection, and the client tries again to connect; results stay unchanged.
 */
export type LiveState = "live" | "behind" | "offline";

/** `problem`: the last reason why there is no connection, if the server has given a reason. */
export type StateListener = (state: LiveState, problem: Problem | undefined) => unknown;

/**
 * Listens to one watch. `shown` is called at each barrier (a message after which all results belong to one state of the
 * server), and when the watch has ended.
 */
export interface WatchListener {
  shown(watch: Watch): void;
  stateChanged(): void;
}

export interface JoinListener {
  messages(messages: readonly ChannelMessage[], lost: boolean): void;
  members(join: Join): void;
  ended(problem: ProblemBody): void;
}

/** Codes of problems after which the server may accept the same watch a moment later. */
const PASSING: readonly string[] = ["too_many_live_queries", "too_many_waiting_messages", "live_stream_behind", "no_live_stream"];
const LINGER_MS = 2000;
const MOST_REQUESTS = 1000;
const MOST_BYTES = 60_000;
const REQUEST_MS = 30_000;
const FIRST_RETRY_MS = 1000;
const LONGEST_RETRY_MS = 30_000;

/** @internal */
export class Feed implements Host {
  readonly machine = new Machine();
  readonly connection: Connection;
  readonly #listeners = new Map<Watch | Join, WatchListener | JoinListener>();
  readonly #replies = new Map<number, (problem: Problem | undefined, offset: number | undefined) => void>();
  readonly #stateListeners = new Set<StateListener>();
  readonly #barriers = new Set<(at: string) => void>();
  readonly #followers = new Set<(why: Why, changed: boolean) => void>();
  readonly #retries = new Map<Watch | Join, { timer: ReturnType<typeof setTimeout>; ms: number }>();
  #state: LiveState = "behind";
  /** True if the last connection was lost or the last attempt failed. False again when a connection works. */
  #away = false;
  #problem: Problem | undefined;
  #userId: string | undefined;
  #lingering: ReturnType<typeof setTimeout> | undefined;
  #running = false;
  #closed = false;
  readonly #answered = () => this.connection.hasten();
  readonly #stopFollowing: (() => void) | undefined;

  constructor(
    readonly transport: Transport,
    target: Target,
    transports: readonly TransportName[],
    shares: boolean,
  ) {
    this.connection = new Connection(this, target, transports, shares);
    this.#userId = this.machine.user = this.userId;
    transport.answered.add(this.#answered);
    this.#stopFollowing = this.credentials?.follow((why) => this.#follow(why));
  }

  get credentials(): Transport["credentials"] {
    return this.transport.credentials;
  }

  get state(): LiveState {
    return this.#state;
  }

  /** The last reason why there is no connection, if the server has given a reason. */
  get problem(): Problem | undefined {
    return this.#problem;
  }

  get userId(): string | undefined {
    return this.credentials?.userId;
  }

  /** The project and the user, for the keys of the cache and for other tabs. */
  get place(): string {
    return this.placeOf(this.userId);
  }

  placeOf(userId: string | undefined): string {
    return `${this.transport.origin}:${this.transport.key}:${userId ?? ""}`;
  }

  /** The state of one result. */
  stateOf({ fresh, at }: Watch): LiveState {
    return this.#away ? "offline" : this.machine.open && fresh && at !== undefined && at === this.machine.at ? "live" : "behind";
  }

  onState(listener: StateListener): () => void {
    this.#stateListeners.add(listener);
    return () => void this.#stateListeners.delete(listener);
  }

  /** Calls `listener` at each barrier, before results are shown. */
  onBarrier(listener: (at: string) => void): () => void {
    this.#barriers.add(listener);
    return () => void this.#barriers.delete(listener);
  }

  /**
   * Calls `listener` with each change of the user or the tokens. If the user has changed, the feed empties the results
   * of the previous user after this call. `changed`: another user has signed in, or the user has signed out. An
   * asynchronous storage returns the user later, which is not a change.
   */
  onUser(listener: (why: Why, changed: boolean) => void): void {
    this.#followers.add(listener);
  }

  watch(what: Watched, listener: WatchListener, held?: Parameters<Machine["watch"]>[1]): Watch {
    const [watch, effects] = this.machine.watch(what, held);
    this.#listeners.set(watch, listener);
    this.#begin(effects);
    return watch;
  }

  unwatch(watch: Watch): void {
    this.#forget(watch);
    const counted = !watch.problem;
    this.#perform(this.machine.unwatch(watch));
    // the connection now has room for one more watch
    const refused = counted && [...this.machine.watches].find(({ problem }) => problem?.code === "too_many_watches");
    if (refused) this.#perform(this.machine.again(refused));
    this.#linger();
  }

  join(channel: string, listener: JoinListener, since?: Since, presence?: unknown): Join {
    const [join, effects] = this.machine.join(channel, since, presence);
    this.#listeners.set(join, listener);
    this.#begin(effects);
    return join;
  }

  /** Joins the channel again if it has ended. Otherwise, does nothing. */
  again(join: Join): void {
    this.#perform(this.machine.again(join));
  }

  leave(join: Join): void {
    this.#forget(join);
    this.#perform(this.machine.leave(join));
    this.#linger();
  }

  /**
   * Publishes a message. If the connection is lost before the message's time is over, the client sends it again with
   * the same key.
   */
  publish(channel: string, data: unknown, echo: boolean, timeoutMs = REQUEST_MS): Promise<number | undefined> {
    const text = checkedSize("data", writeJson(data));
    const message = { t: "publish", channel, data: readJson(text), key: randomText() } as const;
    return this.#request(echo ? message : { ...message, echo }, timeoutMs);
  }

  async setPresence(join: Join, data: unknown): Promise<void> {
    this.checkOpen();
    this.machine.present(join, readJson(checkedSize("presence", writeJson(data))));
    if (!join.fresh) return;
    join.sent = join.presence;
    await this.#request({ t: "presence", channel: join.channel, data: join.presence }, REQUEST_MS);
  }

  /** Resolves when the results have reached a state of the server, or rejects after `timeoutMs`. */
  async sync(at: string, timeoutMs: number): Promise<void> {
    await this.#request({ t: "sync", at }, timeoutMs);
  }

  close(): void {
    this.#closed = true;
    this.transport.answered.delete(this.#answered);
    this.#stopFollowing?.();
    this.#stop();
    for (const { timer } of this.#retries.values()) clearTimeout(timer);
    this.#retries.clear();
    this.#reject("The client was closed.");
  }

  begin(token: string | null): Sent & { t: "auth" } {
    const { key, signIn = { key }, options } = this.transport;
    const explain = new Headers(options.headers).get("X-Bunbase-Explain");
    return this.machine.begin({ ...signIn, ...(explain && { explain }) }, token) as Sent & { t: "auth" };
  }

  probe(): Sent {
    return this.machine.probe();
  }

  received(messages: Received[]): void {
    const effects = messages.flatMap((message) => this.machine.receive(message));
    if (this.machine.open) this.#near();
    this.#perform(effects);
  }

  lost(): void {
    if (!this.machine.open) return; // the client itself has ended the connection
    this.machine.closed();
    this.away();
  }

  away(): void {
    this.#away = true;
    this.#tellState();
  }

  failed(error: unknown): void {
    if (!Problem.is(error) || error.code === "network" || error.code === "timeout") return;
    this.#problem = error;
    this.transport.report(error);
    this.#tellState(true);
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Throws a Problem `aborted` after `close`. */
  checkOpen(): void {
    if (this.#closed) throw new Problem({ code: "aborted", detail: "This client was closed. Make another one." });
  }

  #begin(effects: Effect[]): void {
    this.checkOpen();
    clearTimeout(this.#lingering);
    this.#running = true;
    this.connection.start();
    this.#perform(effects);
  }

  /** The auth client calls this method when the user or the token has changed. */
  #follow(why: Why): void {
    const changed = why !== "initial" && this.userId !== this.#userId;
    this.#userId = this.userId;
    if (!changed) this.machine.known(this.userId);
    for (const hear of this.#followers) hear(why, changed);
    if (!changed) return void this.connection.renew(false);
    this.#reject("The user has signed out or changed.");
    // begin a new connection, so that no message of the previous user can arrive among messages of the new user
    const shown = this.machine.reset(this.userId);
    this.connection.restart();
    this.#near();
    this.#perform(shown);
  }

  #perform(effects: Effect[]): void {
    const sent = effects.flatMap((effect) => (effect.do === "send" ? [effect.message] : []));
    if (sent.length) this.connection.send(sent);
    for (const effect of effects) this.#one(effect);
    this.#tellState();
  }

  #one(effect: Effect): void {
    switch (effect.do) {
      case "token":
        return void this.connection.renew(true);
      case "barrier":
        for (const hear of this.#barriers) hear(effect.at);
        return;
      case "show":
        this.#retries.delete(effect.watch);
        return (this.#listeners.get(effect.watch) as WatchListener | undefined)?.shown(effect.watch);
      case "ended":
        return this.#ended(effect.what);
      case "messages":
        return (this.#listeners.get(effect.join) as JoinListener | undefined)?.messages(effect.messages, effect.lost);
      case "members":
        return (this.#listeners.get(effect.join) as JoinListener | undefined)?.members(effect.join);
      case "reply":
        return this.#replies.get(effect.id)?.(effect.problem && new Problem(effect.problem), effect.offset);
      case "problem":
        return this.transport.report(new Problem(effect.problem));
    }
  }

  #ended(what: Watch | Join): void {
    const problem = what.problem!;
    const listener = this.#listeners.get(what)!;
    // if the watch has ended for a new user, the same query becomes a new watch
    if ((problem.code as string) === "user_changed") return this.#perform(this.machine.again(what));
    if ("what" in what) (listener as WatchListener).shown(what);
    else (listener as JoinListener).ended(problem);
    if ((problem.status ?? 0) < 500 && !PASSING.includes(problem.code)) return;
    const ms = Math.min((this.#retries.get(what)?.ms ?? FIRST_RETRY_MS / 2) * 2, LONGEST_RETRY_MS);
    const timer = setTimeout(() => this.#perform(this.machine.again(what)), ms * (0.5 + Math.random() / 2));
    this.#retries.set(what, { timer, ms });
  }

  #request(message: Parameters<Machine["request"]>[0], timeoutMs: number): Promise<number | undefined> {
    if (this.machine.waiting >= MOST_REQUESTS) return Promise.reject(queueFull(MOST_REQUESTS));
    return new Promise((resolve, reject) => {
      const [id, effects] = this.machine.request(message);
      const done = (problem: Problem | undefined, offset?: number) => {
        clearTimeout(timer);
        this.#replies.delete(id);
        this.machine.forget(id);
        if (problem) reject(problem);
        else resolve(offset);
        this.#linger();
      };
      const detail = `No answer within ${timeoutMs} ms. Try again.`;
      const timer = setTimeout(() => done(new Problem({ code: "timeout", detail })), timeoutMs);
      this.#replies.set(id, done);
      try {
        this.#begin(effects);
      } catch (problem) {
        done(problem as Problem);
      }
    });
  }

  #reject(detail: string): void {
    for (const reply of [...this.#replies.values()]) reply(new Problem({ code: "aborted", detail }), undefined);
  }

  #forget(what: Watch | Join): void {
    this.#listeners.delete(what);
    clearTimeout(this.#retries.get(what)?.timer);
    this.#retries.delete(what);
  }

  /**
   * Ends an unused connection after a short wait, because a page that changes its view needs the connection again at
   * once.
   */
  #linger(): void {
    clearTimeout(this.#lingering);
    if (this.#listeners.size || this.#replies.size || !this.#running) return;
    this.#lingering = setTimeout(() => this.#stop(), LINGER_MS);
  }

  #stop(): void {
    clearTimeout(this.#lingering);
    this.#running = false;
    this.machine.closed();
    this.connection.stop();
    this.#near();
    this.#away = this.#closed;
    this.#tellState();
  }

  /** Forgets the last problem: there is a connection, or the first attempt has not been made yet. */
  #near(): void {
    this.#away = false;
    this.#problem = undefined;
  }

  /**
   * Calls the listeners of the state. `again`: true to call them even if the state is the same, because the problem has
   * changed.
   */
  #tellState(again = false): void {
    const states = [...this.machine.watches].filter(({ problem }) => !problem).map((watch) => this.stateOf(watch));
    const state = this.#away ? "offline" : !this.machine.open || states.includes("behind") ? "behind" : "live";
    for (const listener of this.#listeners.values()) if ("stateChanged" in listener) listener.stateChanged();
    if (state === this.#state && !again) return;
    this.#state = state;
    for (const listener of [...this.#stateListeners]) guarded(() => listener(state, this.#problem));
  }
}

/** Returns the problem of a full queue. @internal */
export function queueFull(most: number): Problem {
  return new Problem({ code: "queue_full", detail: `More than ${most} messages or writes wait for the network. Try again later.` });
}

/** Refuses a text that would exceed the largest message, because the server would close the connection. @internal */
export function checkedSize(path: string, text: string): string {
  if (text.length <= MOST_BYTES && new TextEncoder().encode(text).length <= MOST_BYTES) return text;
  throw invalidValue(path, `A message has at most ${MOST_BYTES} bytes.`);
}

/**
 * Refuses unknown options instead of ignoring them: if an app misspelled the option `filter`, its query would find all
 * documents. @internal
 */
export function noOthers(others: object): void {
  for (const name of Object.keys(others)) throw invalidValue(name, "No such option.");
}

/** Refuses a callback that could not be called. @internal */
export function needFunction(path: string, value: unknown): void {
  if (typeof value !== "function") throw invalidValue(path, "Pass a function.");
}

/** Calls a function of the app. Its errors must not stop the client. @internal */
export function guarded(call: () => unknown): void {
  const failed = (error: unknown) => console.error("bunbase-js: a callback of live failed.", error);
  try {
    const made = call();
    if (made instanceof Promise) made.catch(failed);
  } catch (error) {
    failed(error);
  }
}
