/**
 * The queue of writes. One after the other is sent, each with its idempotency key, so that it may be sent again after a
 * lost answer or a restart of the app. A write leaves when it was refused, or when all results contain it.
 */

import type { Collection } from "../data/collection.js";
import type { CollectionTypes } from "../data/types.js";
import { readJson, writeJson } from "../json.js";
import { Problem } from "../problem.js";
import { randomText } from "../transport.js";
import { type LiveCache, reported } from "./cache.js";
import { type Feed, guarded, queueFull } from "./feed.js";
import type { LocalWrite } from "./overlay.js";

const MOST_WRITES = 1000;
const MOST_BYTES = 4 << 20;
const FIRST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 30_000;
const SYNC_MS = 10_000;
/** The server remembers idempotency keys for 24 hours. */
const REPEATABLE_MS = 23 * 3_600_000;
const PASSING: readonly number[] = [429, 500, 502, 503, 504];
const PASSING_CODES: readonly string[] = ["network", "timeout", "idempotency_busy"];

/** A write that the server has refused, after its effect was shown. */
export type RefusedListener = (write: Pick<LocalWrite, "op" | "collection" | "id" | "data">, problem: Problem) => unknown;

type Waiter = { resolve(document: unknown): void; reject(problem: Problem): void };

/** @internal */
export class Outbox {
  /** All writes that the results do not contain yet, in order. */
  writes: LocalWrite[] = [];
  readonly #waiters = new Map<string, Waiter>();
  readonly #sizes = new Map<string, number>();
  #working: object | undefined;
  #pause: { timer: ReturnType<typeof setTimeout>; end(): void } | undefined;
  #failures = 0;
  #loaded: Promise<void> = Promise.resolve();
  #userId: string | undefined;
  readonly #stopListening: (() => void) | undefined;

  constructor(
    readonly feed: Feed,
    readonly collection: (name: string) => Collection<CollectionTypes>,
    readonly cache: LiveCache | undefined,
    readonly onRefused: RefusedListener | undefined,
    /** Called when the results of a collection must be computed again. */
    readonly changed: (collection: string) => void,
  ) {
    feed.onBarrier((at) => this.#settle((mark) => reached(mark, at)));
    feed.onState((state) => state === "offline" || this.#pause?.end());
    this.#userId = feed.userId;
    // a storage with promises tells the user later; this is no change
    void feed.credentials?.ready.then(() => (this.#userId = feed.userId));
    this.#stopListening = feed.credentials?.listen(() => this.#follow());
    this.#loaded = this.#load();
  }

  /** Queues a write, and shows its effect. Resolves with the stored document, or rejects if the server refuses it. */
  async add(made: Pick<LocalWrite, "op" | "collection" | "id" | "conditions"> & { data?: unknown }): Promise<unknown> {
    const text = made.data === undefined ? undefined : writeJson(made.data);
    const data = text === undefined ? undefined : (readJson(text) as Record<string, unknown>);
    const write: LocalWrite = { ...made, data, key: randomText(), at: new Date().toISOString(), sent: false };
    const bytes = [...this.#sizes.values()].reduce((sum, size) => sum + size, text?.length ?? 0);
    if (this.writes.length >= MOST_WRITES || bytes > MOST_BYTES) throw queueFull(MOST_WRITES);
    this.#sizes.set(write.key, text?.length ?? 0);
    this.writes.push(write);
    const answer = new Promise<unknown>((resolve, reject) => this.#waiters.set(write.key, { resolve, reject }));
    this.changed(write.collection);
    void this.#store(write);
    void this.#work();
    return answer;
  }

  close(): void {
    this.#stopListening?.();
    this.#stop("The client was closed.");
  }

  /** After another user has begun, the writes of the user before are never sent. */
  #follow(): void {
    const { userId } = this.feed;
    if (userId === this.#userId) return;
    this.#userId = userId;
    this.#stop("The user has signed out or changed.");
    this.#loaded = this.#load();
  }

  #stop(detail: string): void {
    this.#working = undefined;
    this.#pause?.end();
    this.#failures = 0;
    const [writes, waiters] = [this.writes, [...this.#waiters.values()]];
    this.writes = [];
    this.#waiters.clear();
    this.#sizes.clear();
    for (const name of new Set(writes.map(({ collection }) => collection))) this.changed(name);
    for (const { reject } of waiters) reject(new Problem({ code: "aborted", detail }));
  }

  /** Takes the writes of the present user that an earlier visit has left. */
  async #load(): Promise<void> {
    const { cache, feed } = this;
    if (!cache) return;
    await feed.credentials?.ready;
    const userId = (this.#userId = feed.userId);
    const texts = await reported(feed.transport, cache.list(this.#prefix));
    if (userId !== feed.userId || !texts) return;
    const known = new Set(this.writes.map(({ key }) => key));
    const found = texts.map((text) => readJson(text) as LocalWrite).filter(({ key }) => !known.has(key));
    found.sort((one, other) => (one.at < other.at ? -1 : 1));
    for (const write of found) this.#sizes.set(write.key, writeJson(write.data ?? null).length);
    this.writes = [...found, ...this.writes];
    for (const name of new Set(found.map(({ collection }) => collection))) this.changed(name);
    void this.#work();
  }

  get #prefix(): string {
    return `write:${this.feed.place}:`;
  }

  async #store(write: LocalWrite): Promise<void> {
    await reported(this.feed.transport, this.cache?.set(this.#prefix + write.key, writeJson(write)));
  }

  /** Sends one write after the other. */
  async #work(): Promise<void> {
    if (this.#working) return;
    const working = (this.#working = {});
    await this.#loaded;
    for (let write = this.#next(); write && working === this.#working; write = this.#next()) {
      if (write.sent && Date.now() - Date.parse(write.at) > REPEATABLE_MS) {
        this.#refuse(write, new Problem({ code: "timeout", detail: "It is not known whether this write took effect: its answer was lost a day ago." }));
        continue;
      }
      if (!write.sent) {
        write.sent = true;
        this.changed(write.collection);
        await this.#store(write);
      }
      try {
        const answer = await this.#send(write);
        if (working !== this.#working) return;
        this.#failures = 0;
        this.#answered(write, answer);
      } catch (problem) {
        if (working !== this.#working) return;
        if (!Problem.is(problem)) throw problem;
        if (problem.code === "aborted") return; // the user has changed; `reset` follows
        if (PASSING.includes(problem.status) || PASSING_CODES.includes(problem.code)) await this.#later(problem.retryAfterMs);
        else this.#refuse(write, problem);
      }
    }
    if (working === this.#working) this.#working = undefined;
  }

  #next(): LocalWrite | undefined {
    return this.writes.find(({ mark }) => mark === undefined);
  }

  async #send({ op, collection, id, data = {}, key, conditions }: LocalWrite): Promise<unknown> {
    const target = this.collection(collection);
    const call = { ...conditions, idempotencyKey: key, retries: 0 };
    if (op === "create") return target.create({ ...data, _id: id }, call);
    if (op === "delete") return target.delete(id, call);
    return op === "put" ? target.put(id, data, call) : target.patch(id, data, call);
  }

  #answered(write: LocalWrite, answer: unknown): void {
    // the newest mark of the client is that of this write, or of a later state
    const mark = (write.mark = this.collection(write.collection).requests.seq ?? "");
    void reported(this.feed.transport, this.cache?.delete(this.#prefix + write.key));
    this.#sizes.delete(write.key);
    this.#waiters.get(write.key)?.resolve(answer);
    this.#waiters.delete(write.key);
    this.changed(write.collection);
    const { machine } = this.feed;
    const watched = [...machine.watches].some(({ what, problem }) => !problem && collectionOf(what) === write.collection);
    if (!watched || reached(mark, machine.at)) return this.#settle((one) => one === mark);
    // without a connection, the barrier of the next one settles it
    this.feed.sync(mark, SYNC_MS).then(
      () => this.#settle((one) => one === mark),
      () => machine.open && this.#settle((one) => one === mark),
    );
  }

  #settle(isReached: (mark: string) => boolean): void {
    const settled = new Set(this.writes.filter(({ mark }) => mark === "" || (mark && isReached(mark))));
    if (!settled.size) return;
    // a document stays frozen until all its sent writes have arrived, because its results may contain some of them
    const held = new Set(this.writes.filter((write) => write.sent && !settled.has(write)).map(placeOf));
    const leaving = this.writes.filter((write) => settled.has(write) && !held.has(placeOf(write)));
    for (const write of settled) if (!leaving.includes(write)) write.mark = "";
    this.writes = this.writes.filter((write) => !leaving.includes(write));
    // after the barrier was shown: it has the writes, and its results are computed without them
    queueMicrotask(() => new Set(leaving.map(({ collection }) => collection)).forEach(this.changed));
  }

  #refuse(write: LocalWrite, problem: Problem): void {
    this.writes = this.writes.filter((one) => one !== write);
    void reported(this.feed.transport, this.cache?.delete(this.#prefix + write.key));
    this.#sizes.delete(write.key);
    this.changed(write.collection);
    const waiter = this.#waiters.get(write.key);
    this.#waiters.delete(write.key);
    if (waiter) waiter.reject(problem);
    else this.tell(write, problem); // it is of an earlier visit
  }

  /** Tells the app that a write did not take effect. A write that ended with its user or its client was not refused. */
  tell({ op, collection, id, data }: Pick<LocalWrite, "op" | "collection" | "id" | "data">, problem: Problem): void {
    if (this.onRefused && problem.code !== "aborted") guarded(() => this.onRefused!({ op, collection, id, data }, problem));
  }

  #later(afterMs = Math.random() * Math.min(FIRST_PAUSE_MS * 2 ** this.#failures++, LONGEST_PAUSE_MS)): Promise<void> {
    return new Promise((resolve) => {
      const end = () => {
        clearTimeout(this.#pause?.timer);
        this.#pause = undefined;
        resolve();
      };
      this.#pause = { timer: setTimeout(end, afterMs), end };
    });
  }
}

function placeOf({ collection, id }: LocalWrite): string {
  return `${collection}/${id}`;
}

function collectionOf(what: object): string {
  return Object.values(what as Record<string, { collection: string }>)[0]!.collection;
}

/** True if the state `at` contains the write with this mark. Of another epoch, the database was restored. @internal */
export function reached(mark: string, at: string | undefined): boolean {
  if (mark && at === undefined) return false;
  const [[epoch, seq], [epochNow, seqNow]] = [mark.split("."), (at ?? "").split(".")];
  return !mark || epoch !== epochNow || Number(seq) <= Number(seqNow);
}
