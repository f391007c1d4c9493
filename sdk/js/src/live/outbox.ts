/**
 * The queue of writes. The writes are sent one after the other, each with its idempotency key, so that a write may be
 * sent again after a lost response or a restart of the app. `refusals.ts` decides which problems end a write. A write
 * leaves the queue when the server has refused it, or when all results contain it. With a cache, a write leaves only
 * when at least one result contains it and the cache has stored this result. Until then, the next visit applies the
 * write to the results in the cache.
 *
 * Each write belongs to one user. When this user signs out, or another user signs in, the write ends: its promise
 * rejects with `aborted`, and the client never sends the write. If the client has already sent the write, its promise
 * resolves or rejects with the server's answer. When the session expires, the write waits for the same user. Writes of
 * an earlier visit also wait, because their promises no longer exist.
 */

import type { Collection } from "../data/collection.js";
import type { CollectionTypes } from "../data/types.js";
import type { Why } from "../auth/types.js";
import { LONGEST_TIMER_MS } from "../deadline.js";
import { readJson, writeJson } from "../json.js";
import { isObject } from "../local.js";
import { Problem } from "../problem.js";
import { randomText } from "../transport.js";
import { keyOf, type LiveCache, reported, valueOf } from "./cache.js";
import { type Feed, guarded, queueFull } from "./feed.js";
import type { Watch } from "./machine.js";
import type { LocalWrite } from "./overlay.js";
import { areFailures, failedAgain, fateOf, type Stuck } from "./refusals.js";

const MOST_WRITES = 1000;
const MOST_BYTES = 4 << 20;
const FIRST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 10_000;
const SYNC_MS = 10_000;
/**
 * The time in which a write may be repeated, a little less than the 24 hours for which the server remembers idempotency
 * keys.
 */
const REPEATABLE_MS = 23 * 3_600_000;
/** After this number of failures of the first waiting write, the client calls the listeners of `onStuck`. */
const STUCK_FAILURES = 2;
const OPS: readonly unknown[] = ["create", "put", "patch", "delete"];
const ENDED = "The user has signed out or changed.";
const UNKNOWN = "It is not known whether this write took effect, because its answer was lost.";

/** A write whose effect was shown, but which the server has refused. */
export type RefusedListener = (write: Pick<LocalWrite, "op" | "collection" | "id" | "data">, problem: Problem) => unknown;

type Waiter = { resolve(document: unknown): void; reject(problem: Problem): void };

/** @internal */
export class Outbox {
  /** All writes of the present user that the results do not contain yet, in order. */
  writes: LocalWrite[] = [];
  /** Writes of a user whose session has expired. */
  #aside: LocalWrite[] = [];
  readonly #waiters = new Map<string, Waiter>();
  readonly #sizes = new Map<string, number>();
  #working: object | undefined;
  #pause: { timer: ReturnType<typeof setTimeout>; end(): void } | undefined;
  #failures = 0;
  #stuck: Stuck | undefined;
  readonly #stuckListeners = new Set<(stuck: Stuck | undefined) => unknown>();
  #loaded: Promise<void>;
  /** True after the storage has returned the user. */
  #known: boolean;
  readonly #flying = new Set<LocalWrite>();
  readonly #storing = new Map<string, Promise<unknown>>();

  constructor(
    readonly feed: Feed,
    readonly collection: (name: string) => Collection<CollectionTypes>,
    readonly cache: LiveCache | undefined,
    readonly onRefused: RefusedListener | undefined,
    /** The outbox calls this function when the results of a collection must be computed again. */
    readonly changed: (collection: string) => void,
    /** Stores the results of a collection in the cache now. */
    readonly kept: (collection: string) => Promise<unknown>,
  ) {
    feed.onBarrier(() => this.#settle());
    let connected = false;
    feed.onState((state) => {
      if (!connected && state !== "offline") this.#pause?.end();
      connected = state !== "offline";
    });
    feed.onUser((why, changed) => changed && this.#follow(why));
    this.#known = !feed.credentials || feed.userId !== undefined;
    this.#loaded = this.#load();
  }

  /** The number of writes that the server has not accepted yet. */
  get waiting(): number {
    return this.writes.filter(({ mark }) => mark === undefined).length;
  }

  /** The first waiting write, if the server has responded to it with an error and has not accepted it. */
  get stuck(): Stuck | undefined {
    return this.#stuck;
  }

  onStuck(listener: (stuck: Stuck | undefined) => unknown): () => void {
    const own = (stuck: Stuck | undefined) => guarded(() => listener(stuck));
    this.#stuckListeners.add(own);
    return () => void this.#stuckListeners.delete(own);
  }

  /** Queues a write, and shows its effect. Resolves with the stored document, or rejects if the server refuses it. */
  async add(made: Pick<LocalWrite, "op" | "collection" | "id" | "conditions"> & { data?: unknown }): Promise<unknown> {
    this.feed.checkOpen();
    const text = made.data === undefined ? undefined : writeJson(made.data);
    const data = text === undefined ? undefined : (readJson(text) as Record<string, unknown>);
    const of = this.#known ? { userId: this.feed.userId } : {};
    const write: LocalWrite = { ...made, data, key: randomText(), at: new Date().toISOString(), sent: false, ...of };
    const bytes = [...this.#sizes.values()].reduce((sum, size) => sum + size, text?.length ?? 0);
    if (this.waiting >= MOST_WRITES || bytes > MOST_BYTES) throw queueFull(MOST_WRITES);
    this.#sizes.set(write.key, text?.length ?? 0);
    this.writes.push(write);
    const answer = new Promise<unknown>((resolve, reject) => this.#waiters.set(write.key, { resolve, reject }));
    this.changed(write.collection);
    if (this.#known) void this.#store(write);
    void this.#work();
    return answer;
  }

  /** If there is a cache, waiting writes stay in the cache for the next visit. */
  close(): void {
    this.#halt();
    this.writes = this.#aside = [];
    const detail = this.cache ? "The client was closed. The next visit sends the write." : "The client was closed.";
    for (const { reject } of this.#waiters.values()) reject(new Problem({ code: "aborted", detail }));
    this.#waiters.clear();
  }

  /** The auth client calls this method when the user or the tokens have changed. If the user has changed, the caller then empties the
  results. */
  #follow(why: Why): void {
    const { userId } = this.feed;
    const expired = userId === undefined && (why === "expired" || why === "other_tab");
    this.#halt(); // this comes first, because a listener that it calls may add a write
    const all = [...this.#aside, ...this.writes].filter(({ mark }) => mark === undefined);
    this.writes = all.filter((write) => write.userId === userId);
    this.#aside = all.filter((write) => write.userId !== userId && expired);
    for (const write of all) if (write.userId !== userId && !expired) this.#end(write);
    this.#loaded = this.#load();
  }

  #halt(): void {
    this.#working = undefined;
    this.#pause?.end();
    this.#moved();
  }

  /**
   * The outbox calls this method when the first waiting write has left the queue, or when the queue belongs to another
   * user.
   */
  #moved(): void {
    this.#failures = 0;
    this.#tellStuck(undefined);
  }

  #tellStuck(stuck: Stuck | undefined): void {
    if (stuck === this.#stuck) return;
    this.#stuck = stuck;
    for (const tell of [...this.#stuckListeners]) tell(stuck);
  }

  /** Ends a write because its user has signed out or changed. */
  #end(write: LocalWrite): void {
    this.#sizes.delete(write.key);
    const waiter = this.#waiters.get(write.key);
    // no promise exists for this write, or the server has not answered it yet
    if (!waiter || this.#flying.has(write)) return;
    this.#forget(write);
    waiter.reject(new Problem({ code: "aborted", detail: write.sent ? `${ENDED} ${UNKNOWN}` : ENDED }));
  }

  #forget(write: LocalWrite): void {
    this.#sizes.delete(write.key);
    this.#waiters.delete(write.key);
    void this.#drop(write);
  }

  /** Deletes a write from the cache. */
  async #drop({ key, userId }: LocalWrite): Promise<void> {
    const { cache, feed } = this;
    await this.#storing.get(key);
    this.#storing.delete(key);
    if (cache) await reported(feed.transport, () => cache.delete(keyOf("write", feed.placeOf(userId)) + key));
  }

  /** Loads the writes of the present user that an earlier visit has left in the cache, and sends waiting writes. */
  async #load(): Promise<void> {
    const { cache, feed } = this;
    await feed.credentials?.ready;
    const { userId } = feed;
    if (!this.#known) {
      this.#known = true;
      for (const write of this.writes) void this.#store(Object.assign(write, { userId }));
    }
    const texts: unknown = cache && (await reported(feed.transport, () => cache.list(keyOf("write", feed.place))));
    if (userId !== feed.userId || feed.closed) return;
    const known = new Set(this.writes.map(({ key }) => key));
    const found = (Array.isArray(texts) ? texts : []).map(valueOf).filter(isWrite);
    const own = found.filter((write) => write.userId === userId && !known.has(write.key));
    // no query was watched whose result would contain the write
    const isOld = ({ mark, at }: LocalWrite) => mark !== undefined && Date.now() - Date.parse(at) > REPEATABLE_MS;
    for (const write of own.filter(isOld)) void this.#drop(write);
    const mine = own.filter((write) => !isOld(write));
    mine.sort((one, other) => (one.at < other.at ? -1 : 1));
    for (const { key, data, mark } of mine) if (mark === undefined) this.#sizes.set(key, writeJson(data ?? null).length);
    this.writes = [...mine, ...this.writes];
    for (const name of new Set(mine.map(({ collection }) => collection))) this.changed(name);
    void this.#work();
  }

  async #store(write: LocalWrite): Promise<void> {
    const { cache, feed } = this;
    if (!cache) return;
    const [key, text] = [keyOf("write", feed.placeOf(write.userId)) + write.key, writeJson(write)];
    const storing = Promise.resolve(this.#storing.get(write.key)).then(() => reported(feed.transport, () => cache.set(key, text)));
    this.#storing.set(write.key, storing); // a later call to store the same write waits for this call
    await storing;
  }

  /** Sends one write after the other. */
  async #work(): Promise<void> {
    if (this.#working) return;
    const working = (this.#working = {});
    await this.#loaded;
    for (let write = this.#next(); write && working === this.#working; write = this.#next()) {
      if (write.sent && Date.now() - Date.parse(write.at) > REPEATABLE_MS) {
        this.#refuse(write, new Problem({ code: "timeout", detail: `${UNKNOWN} This was a day ago.` }));
        continue;
      }
      if (!write.sent) {
        write.sent = true;
        this.changed(write.collection);
        await this.#store(write);
        if (working !== this.#working) break;
      }
      await this.#fly(write, working);
    }
    if (working === this.#working) this.#working = undefined;
  }

  async #fly(write: LocalWrite, working: object): Promise<void> {
    this.#flying.add(write);
    try {
      this.#answered(write, await this.#send(write).finally(() => this.#flying.delete(write)));
      if (working === this.#working) this.#moved();
    } catch (problem) {
      if (!Problem.is(problem)) throw problem;
      const fate = fateOf(problem, write.failed);
      const passes = fate !== "refused";
      if (fate === "blamed") {
        write.failed = failedAgain(write.failed);
        if (this.writes.includes(write) || this.#aside.includes(write)) void this.#store(write);
      }
      if (working === this.#working) {
        if (passes) return await this.#later(write, problem);
        this.#refuse(write, problem);
        return this.#moved();
      }
      // the user of the write is signed in again, or may sign in again: the client sends the write again
      if (this.writes.includes(write) || this.#aside.includes(write)) return;
      if (!passes) return this.#refuse(write, problem);
      const waiter = this.#waiters.get(write.key);
      if (waiter) this.#forget(write);
      waiter?.reject(new Problem({ code: "aborted", detail: `${ENDED} ${UNKNOWN}` }));
    }
  }

  #next(): LocalWrite | undefined {
    return this.writes.find(({ mark }) => mark === undefined);
  }

  async #send({ op, collection, id, data = {}, key, conditions, userId }: LocalWrite): Promise<unknown> {
    const target = this.collection(collection).of({ userId });
    const call = { ...conditions, idempotencyKey: key, retries: 0 };
    if (op === "create") return target.create({ ...data, _id: id }, call);
    if (op === "delete") return target.delete(id, call);
    return op === "put" ? target.put(id, data, call) : target.patch(id, data, call);
  }

  #answered(write: LocalWrite, answer: unknown): void {
    this.#waiters.get(write.key)?.resolve(answer);
    this.#waiters.delete(write.key);
    this.#sizes.delete(write.key);
    this.#aside = this.#aside.filter((one) => one !== write);
    if (!this.writes.includes(write)) return void this.#drop(write); // the user of the write has signed out
    // the newest mark of the client belongs to this write, or to a later state
    const mark = (write.mark = this.collection(write.collection).requests.seq ?? "");
    void this.#store(write);
    this.changed(write.collection);
    this.#settle();
    // the write ends at this barrier or a later one; without a connection, it ends at a barrier of the next connection
    const awaited = this.writes.includes(write) && mark && this.#watchesOf(write).length;
    if (awaited) this.feed.sync(mark, SYNC_MS).then(() => this.#settle(), () => {});
    const confirmed = this.writes.filter((one) => one.mark !== undefined);
    if (confirmed.length > MOST_WRITES) this.#leave(confirmed.slice(0, 1));
  }

  #watchesOf({ collection }: LocalWrite): Watch[] {
    return [...this.feed.machine.watches].filter(({ what, problem }) => !problem && collectionOf(what) === collection);
  }

  /** Ends the answered writes that all results contain. */
  #settle(): void {
    const isIn = (write: LocalWrite, watches = this.#watchesOf(write)) =>
      write.mark !== undefined && (watches.length || !this.cache) && watches.every((watch) => contains(watch, write.mark!, this.feed.machine.at));
    const settled = new Set(this.writes.filter((write) => write.mark === "" || isIn(write)));
    if (!settled.size) return;
    // a document stays frozen until all its sent writes have arrived, because its results may contain some of them
    const held = new Set(this.writes.filter((write) => write.sent && !settled.has(write)).map(placeOf));
    const leaving = this.writes.filter((write) => settled.has(write) && !held.has(placeOf(write)));
    for (const write of settled) if (!leaving.includes(write)) write.mark = "";
    this.#leave(leaving);
  }

  #leave(leaving: readonly LocalWrite[]): void {
    this.writes = this.writes.filter((write) => !leaving.includes(write));
    // run this after the results of the barrier were shown: they contain the writes, so the client computes them
    // without local echoes
    queueMicrotask(() => {
      for (const name of new Set(leaving.map(({ collection }) => collection))) {
        this.changed(name);
        const gone = leaving.filter(({ collection }) => collection === name);
        void this.kept(name).then(() => gone.forEach((write) => void this.#drop(write)));
      }
    });
  }

  #refuse(write: LocalWrite, problem: Problem): void {
    this.writes = this.writes.filter((one) => one !== write);
    const waiter = this.#waiters.get(write.key);
    this.#forget(write);
    this.changed(write.collection);
    if (waiter) waiter.reject(problem);
    else this.tell(write, problem); // the write is from an earlier visit
  }

  /**
   * Tells the app that the server has refused a write. The app does not hear of a write that ended with its user or its
   * client.
   */
  tell({ op, collection, id, data }: Pick<LocalWrite, "op" | "collection" | "id" | "data">, problem: Problem): void {
    if (this.onRefused && problem.code !== "aborted") guarded(() => this.onRefused!({ op, collection, id, data }, problem));
  }

  /** Waits before the next attempt to send the first waiting write. */
  #later({ op, collection, id, data }: LocalWrite, problem: Problem): Promise<void> {
    const afterMs = problem.retryAfterMs ?? Math.random() * Math.min(FIRST_PAUSE_MS * 2 ** this.#failures, LONGEST_PAUSE_MS);
    // without a network, `state` shows this
    const isAnswered = problem.code !== "network";
    if (++this.#failures >= STUCK_FAILURES || !isAnswered) this.#tellStuck(isAnswered ? { write: { op, collection, id, data }, problem } : undefined);
    return new Promise((resolve) => {
      const end = () => {
        clearTimeout(this.#pause?.timer);
        this.#pause = undefined;
        resolve();
      };
      this.#pause = { timer: setTimeout(end, Math.min(afterMs, LONGEST_TIMER_MS)), end };
    });
  }
}

/** True if a value of the cache is a write. */
function isWrite(value: unknown): value is LocalWrite {
  if (!isObject(value)) return false;
  const { key, op, collection, id, data, conditions, at, sent, mark, failed } = value;
  const isNamed = [key, collection, id].every((one) => typeof one === "string") && !Number.isNaN(Date.parse(String(at)));
  return (mark === undefined || typeof mark === "string") && areFailures(failed) && isNamed && OPS.includes(op) && (data === undefined || isObject(data)) && isObject(conditions) && typeof sent === "boolean";
}

function placeOf({ collection, id }: LocalWrite): string {
  return `${collection}/${id}`;
}

function collectionOf(what: object): string {
  return Object.values(what as Record<string, { collection: string }>)[0]!.collection;
}

/**
 * True if the result that is shown contains the write with this mark. A barrier alone does not show this: on a new
 * connection, the barrier may come before the result, and then the result of the previous connection is still shown.
 * `dirty`: the newest result waits for its barrier. `barrier`: the last barrier. A first result is never older than
 * `barrier`, so a write does not wait for a first result.
 */
function contains({ docs, fresh, dirty, at }: Watch, mark: string, barrier: string | undefined): boolean {
  return docs ? fresh && !dirty && reached(mark, at) : reached(mark, barrier);
}

/**
 * Returns true if the state `at` contains the write with this mark, or if the epochs differ. Different epochs mean that
 * a backup was restored, and no later state has the epoch of the mark. @internal
 */
export function reached(mark: string, at: string | undefined): boolean {
  if (mark && at === undefined) return false;
  const [[epoch, seq], [epochNow, seqNow]] = [mark.split("."), (at ?? "").split(".")];
  return !mark || epoch !== epochNow || Number(seq) <= Number(seqNow);
}
