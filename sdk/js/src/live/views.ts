/** The results that an app sees. There is one view for each query, which all its listeners share. */

import { readJson, writeJson } from "../json.js";
import { isObject } from "../local.js";
import { Problem } from "../problem.js";
import { keyOf, type LiveCache, reported, valueOf } from "./cache.js";
import { checkedSize, type Feed, guarded, type LiveState, type WatchListener } from "./feed.js";
import type { Watch } from "./machine.js";
import { type Outbox, reached } from "./outbox.js";
import { type Frozen, type LocalWrite, overlaid, type QueryShape } from "./overlay.js";
import type { Changes, LiveDocument, Watched } from "./protocol.js";
import { compared } from "./result.js";

/** The result of a live query, and its changes since the previous callback. */
export interface LiveResult<T> extends Changes<T> {
  /** All documents of the result, in order. A document that has not changed is the same object as before. */
  readonly items: readonly T[];
  /** The number of all documents that match, if the query has `count: true`. */
  readonly count: number | undefined;
  /** The reason why the query has ended, for example `rule_denied`. The result is then empty. */
  readonly problem: Problem | undefined;
  /** True until there is a result for the present user. */
  readonly loading: boolean;
  /**
   * `live`: the result is up to date. `behind`: a newer result will arrive. `offline`: the client is connecting again.
   */
  readonly state: LiveState;
  /** True while the server has not accepted all writes of this client to this collection. */
  readonly pending: boolean;
}

type Result = LiveResult<LiveDocument>;

const NONE: Changes<never> = { added: [], changed: [], removed: [], moved: [] };
const LOADING: LiveResult<never> = { ...NONE, items: [], count: undefined, problem: undefined, loading: true, state: "behind", pending: false };
const LINGER_MS = 1000;
const SAVE_MS = 500;
const MOST_SAVED_BYTES = 1 << 20;
const MOST_SAVED_RESULTS = 200;

/** @internal */
export class Views {
  readonly #views = new Map<string, View>();

  constructor(
    readonly feed: Feed,
    readonly outbox: () => Outbox,
    readonly cache: LiveCache | undefined,
  ) {
    if (cache) void reported(feed.transport, () => cache.trim("result:", MOST_SAVED_RESULTS));
  }

  /** Returns the name of a query. Throws a Problem if the query cannot be sent. */
  name(what: Watched): string {
    return checkedSize("query", "query" in what ? writeJson(what.query, true) : writeJson(what.doc));
  }

  /** Returns the present result, or undefined if nobody watches the query. */
  result(name: string): Result | undefined {
    return this.#views.get(name)?.result;
  }

  /**
   * Calls `shown` with each new result. `changed` is also called for changed states. Returns a function that ends these
   * calls.
   */
  listen(what: Watched, shown: ((result: Result) => unknown) | undefined, changed?: () => void): () => void {
    const name = this.name(what);
    this.feed.checkOpen();
    let view = this.#views.get(name);
    if (!view) this.#views.set(name, (view = new View(this, name, copied(what, name))));
    return view.listen({ shown, changed }, () => this.#views.delete(name));
  }

  /** Shows the documents of a collection again, after its waiting writes have changed. */
  refresh(collection: string): void {
    for (const view of this.#views.values()) if (view.collection === collection) view.refresh();
  }

  /** Stores the results of a collection in the cache at once, without the usual short wait. */
  kept(collection: string): Promise<unknown> {
    return Promise.all([...this.#views.values()].map((view) => view.collection === collection && view.saved()));
  }

  close(): void {
    for (const view of this.#views.values()) view.end();
    this.#views.clear();
  }
}

function copied(what: Watched, text: string): Watched {
  const copy = readJson(text); // this is a copy, because the app may change its object later
  return ("query" in what ? { query: copy } : { doc: copy }) as Watched;
}

interface Listener {
  shown: ((result: Result) => unknown) | undefined;
  changed: (() => void) | undefined;
}

class View implements WatchListener {
  result: Result = LOADING;
  readonly collection: string;
  readonly #shape: QueryShape | undefined;
  readonly #listeners = new Set<Listener>();
  readonly #frozen: Frozen = new Map();
  /** For each write: false if the first result after the write already contained the write. */
  readonly #echoes = new Map<string, boolean>();
  #watch: Watch | undefined;
  /** The server's result at the barrier `at`. */
  #standing: { docs: readonly LiveDocument[]; n: number | undefined; at: string | undefined } | undefined;
  #lingering: ReturnType<typeof setTimeout> | undefined;
  #saving: ReturnType<typeof setTimeout> | undefined;
  #ended = false;

  constructor(
    readonly views: Views,
    readonly name: string,
    readonly what: Watched,
  ) {
    this.collection = "query" in what ? what.query.collection : what.doc.collection;
    this.#shape = "query" in what ? (what.query as QueryShape) : undefined;
    if (views.cache) void this.#restore(views.cache);
    else this.#watch = views.feed.watch(what, this);
  }

  listen(listener: Listener, last: () => void): () => void {
    clearTimeout(this.#lingering);
    this.#listeners.add(listener);
    const { shown } = listener;
    const begin = () => {
      const { result } = this;
      if (shown && this.#listeners.has(listener) && !result.loading) guarded(() => shown({ ...result, ...NONE, added: result.items }));
    };
    if (!this.result.loading) queueMicrotask(begin);
    return () => {
      if (!this.#listeners.delete(listener) || this.#listeners.size) return;
      // a page that changes its view often watches the same query again at once
      this.#lingering = setTimeout(() => {
        last();
        this.end();
      }, LINGER_MS);
    };
  }

  end(): void {
    this.#ended = true;
    clearTimeout(this.#lingering);
    void this.saved();
    if (this.#watch) this.views.feed.unwatch(this.#watch);
  }

  shown({ docs, n, at, problem }: Watch): void {
    this.#standing = docs && { docs, n, at };
    this.#update(problem && new Problem(problem));
    if (docs && this.views.cache) this.#saving ??= setTimeout(() => void this.saved(), SAVE_MS);
  }

  stateChanged(): void {
    const state = this.#state();
    if (state === this.result.state) return;
    this.result = { ...this.result, ...NONE, state };
    this.#tell(false);
  }

  refresh(): void {
    if (this.#standing) this.#update(undefined);
  }

  #update(problem: Problem | undefined): void {
    const { result: before, views } = this;
    const writes = this.#own(views.outbox().writes);
    const made = this.#standing && overlaid(this.#standing.docs, this.#standing.n, writes, this.#shape, this.#frozen);
    const changes = compared(before.items, made?.docs ?? []);
    const loading = !made && !problem;
    const pending = writes.some(({ mark }) => mark === undefined);
    const same =
      changes.items.length === before.items.length && !changes.added.length && !changes.changed.length && !changes.moved.length;
    const items = same ? before.items : changes.items;
    this.result = { ...changes, items, count: made?.n, problem, loading, state: this.#state(), pending };
    const told = same && before.count === made?.n && before.problem === problem && before.loading === loading && before.pending === pending;
    if (!told) this.#tell(true);
  }

  /** Returns the writes that may change the result. */
  #own(all: readonly LocalWrite[]): LocalWrite[] {
    const mine = all.filter(({ collection, id }) => collection === this.collection && this.#mayShow(id));
    const keys = new Set(mine.map(({ key }) => key));
    for (const key of this.#echoes.keys()) if (!keys.has(key)) this.#echoes.delete(key);
    if (!this.#standing) return mine;
    const { at } = this.#standing;
    for (const { key, mark } of mine) if (!this.#echoes.has(key)) this.#echoes.set(key, mark === undefined || !reached(mark, at));
    return mine.filter(({ key }) => this.#echoes.get(key));
  }

  /** True if a write of this document may change the result. */
  #mayShow(id: string): boolean {
    return !("doc" in this.what) || this.what.doc.id === id;
  }

  #state(): LiveState {
    return this.#watch ? this.views.feed.stateOf(this.#watch) : "behind";
  }

  #tell(shown: boolean): void {
    const { result } = this;
    for (const listener of [...this.#listeners]) {
      if (shown && listener.shown) guarded(() => listener.shown!(result));
      if (listener.changed) guarded(listener.changed);
    }
  }

  async #restore(cache: LiveCache): Promise<void> {
    const { feed } = this.views;
    await feed.credentials?.ready;
    let [text, key]: [unknown, string?] = [undefined];
    // the user may change while the client reads the cache
    while (key !== this.#key && !this.#ended) {
      const asked = (key = this.#key);
      text = await reported(feed.transport, () => cache.get(asked));
    }
    if (this.#ended) return;
    const held = heldOf(text);
    this.#watch = feed.watch(this.what, this, held);
    if (held) this.shown(this.#watch);
  }

  get #key(): string {
    return keyOf("result", this.views.feed.place) + this.name;
  }

  /** Stores the server's result in the cache, without local writes. The client stores local writes separately. */
  async saved(): Promise<void> {
    if (!this.#saving) return;
    clearTimeout(this.#saving);
    this.#saving = undefined;
    const { at, group } = this.#watch ?? {};
    const { cache, feed } = this.views;
    if (!cache || !this.#standing || !at || !group) return;
    const [key, text] = [this.#key, writeJson({ ...this.#standing, at, group })];
    // an older result would show a state from before the writes that have left
    const keep = text.length <= MOST_SAVED_BYTES ? () => cache.set(key, text) : () => cache.delete(key);
    await reported(feed.transport, keep);
  }
}

/** Returns a result from the cache, or undefined if the text is not a result. */
function heldOf(text: unknown): Pick<Watch, "docs" | "n" | "at" | "group"> | undefined {
  const held = text === undefined ? undefined : valueOf(text);
  if (!isObject(held)) return undefined;
  const { docs, n, at, group } = held;
  const isResult = Array.isArray(docs) && docs.every((one) => isObject(one) && typeof one._id === "string");
  const isWhole = typeof at === "string" && typeof group === "string" && (n === undefined || Number.isInteger(n));
  return isResult && isWhole ? { docs: docs as LiveDocument[], n: n as number | undefined, at, group } : undefined;
}
