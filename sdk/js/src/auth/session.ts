/**
 * The session of the signed-in user: kept, shared with other tabs, and renewed when a call needs it.
 *
 * The life of one renewal: all calls of a client wait for the same renewal (a *flight*) → the client waits at most
 * three seconds for the Web Lock of the session → it reads the storage: if another tab has renewed the session, the
 * stored session is the result (it may arrive half a second after the lock) → `POST refresh` → it reads the storage
 * again: if another session is stored now, this session is the result; otherwise the client stores the new one. The
 * session ends only if the server refuses the token that is still stored. After a failure of the network, 429 or 5xx
 * the session stays, and the next try waits 1, 2, 4 … 30 seconds. Callbacks run outside of the flight and the lock.
 */

import { readJson, writeJson } from "../json.js";
import { isObject } from "../local.js";
import { Problem } from "../problem.js";
import type { ProblemCode } from "../problem_codes.js";
import type { Transport } from "../transport.js";
import { alone } from "./lock.js";
import { GuardedStorage } from "./storage.js";
import type { AuthListener, SignedIn, User, Why } from "./types.js";

const LEEWAY_MS = 30_000;
const CLOCK_PATIENCE_MS = 60_000;
const FIRST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 30_000;
const WINNER_MS = 500;
/**
 * The codes with which the server refuses the token. A refusal of the key or of the project does not end the session.
 */
const ENDING: readonly ProblemCode[] = [
  "invalid_token",
  "token_expired",
  "token_reused",
  "user_banned",
  "mfa_enrolment_required",
  "second_factor_required",
];

/** `at`: when the tokens arrived, by the clock of this device. The server's clock is never compared with it. */
interface Kept {
  user: User;
  access: string;
  refresh: string;
  at: number;
  ttl: number;
}

/** A renewal in progress. `session`: the number of the session that it renews. */
interface Flight {
  session: number;
  token: Promise<string | null>;
}

interface Pause {
  refresh: string;
  until: number;
  ms: number;
  problem: unknown;
}

/** @internal */
export class SessionKeeper {
  readonly ready: Promise<void>;
  readonly storage: GuardedStorage;
  #kept: Kept | null = null;
  /**
   * The number of the session: it grows when another session begins. The client ignores answers to requests of an
   * earlier session.
   */
  #session = 0;
  #flight: Flight | undefined;
  #pause: Pause | undefined;
  #listeners = new Set<(why: Why) => void>();
  #followers = new Set<(why: Why) => void>();
  #watching: AbortController | undefined;

  constructor(readonly transport: Transport) {
    const { options, origin, key } = transport;
    const name = options.storageKey ?? `bunbase:${origin}:${key}`;
    this.storage = new GuardedStorage(options, name, (problem) => transport.report(problem));
    const loaded = this.storage.load();
    const take = (text: string | null) => this.#take(keptOf(text), "initial");
    // if the storage answers at once, a page shows its user at the first paint
    this.ready = loaded instanceof Promise ? loaded.then(take) : Promise.resolve(take(loaded));
    if (this.storage.shared && "document" in globalThis) this.#watch(name);
  }

  get user(): User | null {
    return this.#kept?.user ?? null;
  }

  get claims(): Readonly<Record<string, unknown>> {
    return this.#kept ? claimsOf(this.#kept.access) : {};
  }

  get userId(): string | undefined {
    return this.user?.id;
  }

  get sharedAs(): string | undefined {
    return this.storage.ofAllTabs ? this.storage.key : undefined;
  }

  follow(hear: (why: Why) => void): () => void {
    this.#followers.add(hear);
    return () => void this.#followers.delete(hear);
  }

  /** Returns an access token that is valid for 30 s at least, or null if nobody is signed in. */
  async current(): Promise<string | null> {
    await this.ready;
    const kept = this.#kept;
    if (!kept || isFresh(kept, Math.min(LEEWAY_MS, kept.ttl / 2))) return kept?.access ?? null;
    try {
      return await this.#renew(kept.access);
    } catch (problem) {
      if (this.#kept === kept && isFresh(kept, 0)) return kept.access; // the token is still valid for a few seconds
      throw problem;
    }
  }

  /** Returns an access token that differs from the token that the server refused. */
  async renewed(refused: string): Promise<string | null> {
    return this.#kept && this.#kept.access !== refused ? this.current() : this.#renew(refused);
  }

  /** Begins the session of an answer to a sign-in. */
  async begin(answer: SignedIn): Promise<User> {
    await this.ready;
    await this.#commit(keptFrom(withTokens(answer)), "signed_in");
    return answer.user;
  }

  /** Replaces the user. Does nothing if another user has signed in meanwhile. */
  async change(user: User): Promise<User> {
    const kept = this.#kept;
    const changed = kept?.user.id === user.id && writeJson(kept.user) !== writeJson(user);
    if (changed) await this.#commit({ ...kept, user }, "updated");
    return user;
  }

  /** Replaces the access token. Does nothing if another user has signed in meanwhile. */
  async replaceAccess(userId: string | undefined, access: string, expiresIn: number): Promise<void> {
    if (this.#kept && this.userId === userId) await this.#commit({ ...this.#kept, access, at: Date.now(), ttl: expiresIn * 1000 }, "refreshed");
  }

  /** Deletes the session on this device. Returns the tokens of the session. */
  async end(): Promise<Kept | null> {
    await this.ready;
    const kept = this.#kept;
    if (kept) await this.#commit(null, "signed_out");
    return kept;
  }

  /** Calls `hear` once with `initial`, and then with every change. Returns a function that stops these calls. */
  listen(hear: AuthListener, signal?: AbortSignal): () => void {
    let started = false;
    const listener = (why: Why) => {
      const { user } = this;
      if (!started) return;
      queueMicrotask(async () => {
        try {
          if (this.#listeners.has(listener)) await hear(user, why);
        } catch (error) {
          console.error("bunbase-js: a callback of onChange failed.", error);
        }
      });
    };
    const stop = () => {
      this.#listeners.delete(listener);
      signal?.removeEventListener("abort", stop);
    };
    if (signal?.aborted) return stop;
    this.#listeners.add(listener);
    signal?.addEventListener("abort", stop);
    void this.ready.then(() => {
      started = true;
      listener("initial");
    });
    return stop;
  }

  close(): void {
    this.#watching?.abort();
    this.#watching = undefined;
    this.#listeners.clear();
    this.#followers.clear();
  }

  /**
   * `old`: the access token to replace. If the session has another access token, another tab has renewed the session.
   */
  #renew(old: string): Promise<string | null> {
    const session = this.#session;
    if (this.#flight?.session === session) return this.#flight.token;
    const work = (waited: boolean) => this.#renewAlone(old, waited, session);
    const begun = this.storage.shared ? alone(this.storage.key, work) : work(false);
    const token = begun.finally(() => this.#flight === flight && (this.#flight = undefined));
    const flight: Flight = (this.#flight = { session, token });
    return token;
  }

  async #renewAlone(old: string, waited: boolean, session: number): Promise<string | null> {
    let stored = await this.#stored();
    // the previous holder of the lock may have stored a session that arrives in this tab later than the lock
    for (let ms = 0; waited && stored?.access === old && ms < WINNER_MS; ms += 25) {
      await sleep(25);
      stored = await this.#stored();
    }
    // a person has signed in or out meanwhile: the previous session must not be restored
    if (session !== this.#session) return this.#kept?.access ?? null;
    if (!stored || (stored.access !== old && isFresh(stored, LEEWAY_MS / 2))) return this.#adopt(stored);
    const { refresh } = stored;
    const pause = this.#pause?.refresh === refresh ? this.#pause : undefined;
    if (pause && Date.now() < pause.until) throw pause.problem;
    let [answer, problem]: [SignedIn?, unknown?] = [];
    try {
      answer = await this.#refresh(refresh);
    } catch (error) {
      problem = error;
    }
    const ends = Problem.is(problem, ...ENDING);
    // without a lock, another tab may have renewed the session first, and is storing it now
    if (ends && this.storage.shared) await sleep(WINNER_MS);
    const now = await this.#stored();
    if (session !== this.#session) return this.#kept?.access ?? null;
    if (now?.refresh !== refresh) return this.#adopt(now);
    if (answer) {
      this.#pause = undefined;
      await this.#commit(keptFrom(answer), "refreshed");
      return answer.access_token;
    }
    const ms = Math.min((pause?.ms ?? FIRST_PAUSE_MS / 2) * 2, LONGEST_PAUSE_MS);
    if (ends) await this.#commit(null, "expired");
    else this.#pause = { refresh, ms, until: Date.now() + ms, problem };
    throw problem;
  }

  /**
   * Exchanges a refresh token for a new pair. The server returns the same pair again until a token of the pair has been
   * used.
   */
  async #refresh(refresh_token: string): Promise<SignedIn> {
    const wanted = { method: "POST", path: "/v1/auth/refresh", body: { refresh_token }, token: null, repeatable: true };
    return withTokens(await this.transport.json<SignedIn | undefined>(wanted));
  }

  async #stored(): Promise<Kept | null> {
    return keptOf(await this.storage.load());
  }

  /** Uses the session that another tab has stored. */
  #adopt(kept: Kept | null): string | null {
    const before = this.#kept;
    this.#take(kept, "other_tab");
    if (before?.refresh !== kept?.refresh) this.#emit("other_tab");
    return kept?.access ?? null;
  }

  /** Stores the session, and calls all listeners before anything else runs. */
  #take(kept: Kept | null, why: Why): void {
    if (this.#kept?.refresh !== kept?.refresh) this.#session++;
    this.#kept = kept;
    for (const hear of [...this.#followers]) hear(why);
  }

  async #commit(kept: Kept | null, why: Why): Promise<void> {
    this.#take(kept, why);
    await this.storage.save(kept && writeJson(kept));
    this.#emit(why);
    if (this.#watching) globalThis.dispatchEvent(new CustomEvent("bunbase", { detail: this }));
  }

  #emit(why: Why): void {
    for (const listener of this.#listeners) listener(why);
  }

  /**
   * Checks the session when another tab or another client of this page changes it, when the network returns, and when
   * the browser shows this page from its cache.
   */
  #watch(name: string): void {
    const follow = async (event: Event) => {
      // an event without a key means that the storage was cleared
      const { key = name, detail } = event as Partial<StorageEvent & CustomEvent>;
      if ((key !== name && key) || detail === this) return;
      const session = this.#session;
      const stored = await this.#stored();
      if (session === this.#session) this.#adopt(stored);
    };
    const online = () => (this.#pause = undefined);
    const { signal } = (this.#watching = new AbortController());
    for (const [event, hear] of Object.entries({ storage: follow, bunbase: follow, pageshow: follow, online }))
      globalThis.addEventListener(event, hear, { signal });
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** @internal */
export function isFresh({ at, ttl }: Kept, leewayMs: number): boolean {
  const age = Date.now() - at; // below zero if the clock was set back: the true age is then unknown
  return age > -CLOCK_PATIENCE_MS && age < ttl - leewayMs;
}

/**
 * Returns the claims of a token, or no claims if the token is not a JWT. Only the server checks the signature.
 */
function claimsOf(token: string): Record<string, unknown> {
  try {
    const bytes = atob((token.split(".")[1] ?? "").replace(/-/g, "+").replace(/_/g, "/"));
    const { claims } = readJson(new TextDecoder().decode(Uint8Array.from(bytes, (one) => one.charCodeAt(0)))) as { claims?: unknown };
    return isObject(claims) ? claims : {};
  } catch {
    return {};
  }
}

function withTokens(answer: SignedIn | undefined): SignedIn {
  if (answer?.access_token) return answer;
  throw new Problem({ code: "unexpected_answer", detail: "The answer has no tokens.", answer });
}

function keptFrom({ user, access_token, refresh_token, expires_in }: SignedIn): Kept {
  return { user, access: access_token, refresh: refresh_token, at: Date.now(), ttl: expires_in * 1000 };
}

function keptOf(text: string | null): Kept | null {
  try {
    const kept = text && (readJson(text) as Kept | null);
    // if the time is missing, the client renews the token before its first use
    return kept && [kept.user.id, kept.access, kept.refresh].every((one) => one && typeof one === "string") ? kept : null;
  } catch {
    return null; // another program has written this text
  }
}
