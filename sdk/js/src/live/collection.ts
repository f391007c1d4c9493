/** The live queries and the local writes of one collection. */

import type { CollectionTypes, Doc, Found, Insert, Patch, Query, Update } from "../data/types.js";
import { invalidValue } from "../problem.js";
import { path } from "../transport.js";
import { needFunction, noOthers } from "./feed.js";
import type { Outbox } from "./outbox.js";
import type { LocalWrite } from "./overlay.js";
import type { LiveDocument, Watched } from "./protocol.js";
import type { LiveResult, Views } from "./views.js";

/** A query that can be watched: at most 500 documents with `limit`, and 1,000 without it. */
export type LiveQuery<C extends CollectionTypes, S extends string = string> = Pick<Query<C, S>, "where" | "sort" | "limit" | "select" | "count">;

/** Conditions of a local write. The server refuses the write if it does not meet the conditions on arrival. */
export interface LocalWriteOptions {
  ifRev?: number | undefined;
  ifAbsent?: boolean | undefined;
}

export interface WatchOptions {
  /** Ends the watch. */
  signal?: AbortSignal | undefined;
}

/** One document as it is now. `document` is null if there is none, or if the rules hide it. */
export interface LiveOne<T> extends LiveResult<T> {
  readonly document: T | null;
}

/** The shape that React's `useSyncExternalStore` expects. @internal */
export interface LiveStore<T> {
  subscribe(changed: () => void): () => void;
  get(): LiveResult<T> | undefined;
}

export class LiveCollection<C extends CollectionTypes> {
  readonly name: string;
  /** @internal */
  readonly views: Views;
  readonly #outbox: Outbox;

  /** @internal */
  constructor(name: string, views: Views, outbox: Outbox) {
    path(name); // refuses a text that is not a valid name
    this.name = name;
    this.views = views;
    this.#outbox = outbox;
  }

  /**
   * Calls `on` with the result of a query, and again with each new result and its changes. Returns a function that ends
   * the watch. All results of a client change together: if a commit changes several results, you never see only a part
   * of the changes.
   *
   * ```ts
   * const stop = live.collection("posts").watch({ where: { draft: false }, sort: ["-_created"], limit: 50 }, (result) => {
   *   console.log(result.items.length, result.added, result.removed);
   * });
   * ```
   */
  watch<const S extends string = never>(query: LiveQuery<C, S>, on: (result: LiveResult<Found<C, S>>) => unknown, { signal, ...others }: WatchOptions = {}): () => void {
    if (!query || typeof query !== "object") throw invalidValue("query", "Pass an object first, such as {}, and then the function.");
    needFunction("on", on);
    noOthers(others);
    return ending(signal, () => this.views.listen(this.#what(query), on as (result: LiveResult<LiveDocument>) => unknown));
  }

  /**
   * Calls `on` with one document, and again whenever the document changes. Returns a function that ends the watch.
   *
   * ```ts
   * const stop = live.collection("posts").watchOne("first", ({ document }) => console.log(document?.title));
   * ```
   */
  watchOne(id: string, on: (result: LiveOne<Doc<C>>) => unknown, { signal, ...others }: WatchOptions = {}): () => void {
    path(this.name, id);
    needFunction("on", on);
    noOthers(others);
    const shown = (result: LiveResult<LiveDocument>) => on({ ...result, document: result.items[0] ?? null } as unknown as LiveOne<Doc<C>>);
    return ending(signal, () => this.views.listen({ doc: { collection: this.name, id } }, shown));
  }

  /**
   * Creates a document. Results show the document at once. Resolves when the server has stored the document. Rejects if
   * the server refuses it; results then no longer show it. Without a network, the write waits.
   *
   * ```ts
   * const post = await live.collection("posts").create({ title: "Hello" });
   * ```
   */
  create(document: Insert<C>, options: Record<string, never> = {}): Promise<Doc<C>> {
    const { _id: id = newId(), ...data } = document as { _id?: string };
    return this.#add<Doc<C>>("create", id, data, {}, options);
  }

  /**
   * Replaces a document, or creates it. Results show the new document at once.
   *
   * ```ts
   * await live.collection("posts").put("first", { title: "Hello" });
   * ```
   */
  put(id: string, document: Insert<C>, conditions: LocalWriteOptions = {}): Promise<Doc<C>> {
    return this.#add<Doc<C>>("put", id, document, conditions);
  }

  /**
   * Changes a document. Results show merge patches, `$set`, `$unset` and `$inc` at once, and the effect of other
   * operators when the server has computed it.
   *
   * ```ts
   * await live.collection("posts").patch("first", { $inc: { likes: 1 } });
   * ```
   */
  patch(id: string, change: Patch<C> & Update<C>, conditions: LocalWriteOptions = {}): Promise<Doc<C>> {
    return this.#add<Doc<C>>("patch", id, change, conditions);
  }

  /**
   * Deletes a document. The document disappears from results at once.
   *
   * ```ts
   * await live.collection("posts").delete("first");
   * ```
   */
  delete(id: string, conditions: LocalWriteOptions = {}): Promise<void> {
    return this.#add<void>("delete", id, undefined, conditions);
  }

  /** The result of a query for hooks. Nothing is sent before the first subscription. @internal */
  store<const S extends string = never>(query: LiveQuery<C, S>): LiveStore<Found<C, S>> {
    const what = this.#what(query);
    const name = this.views.name(what);
    return {
      subscribe: (changed) => this.views.listen(what, undefined, changed),
      get: () => this.views.result(name) as unknown as LiveResult<Found<C, S>> | undefined,
    };
  }

  #what({ where, sort, limit, select, count, ...others }: LiveQuery<C>): Watched {
    noOthers(others);
    return { query: { collection: this.name, where, sort, limit, select, count } as { collection: string } };
  }

  #add<T>(op: LocalWrite["op"], id: string, data: unknown, { ifRev, ifAbsent, ...others }: LocalWriteOptions, ignored: object = others): Promise<T> {
    const write = { op, collection: this.name, id, data, conditions: { ifRev, ifAbsent } };
    const add = async () => {
      noOthers(ignored);
      path(this.name, id);
      return this.#outbox.add(write);
    };
    const made = add();
    // with this listener, an app does not have to wait for the promise of each write
    if (this.#outbox.onRefused) made.catch((problem) => this.#outbox.tell(write as LocalWrite, problem));
    return made as Promise<T>;
  }
}

function ending(signal: AbortSignal | undefined, begin: () => () => void): () => void {
  if (signal?.aborted) return () => {};
  const end = begin();
  const stop = () => {
    signal?.removeEventListener("abort", stop);
    end();
  };
  signal?.addEventListener("abort", stop);
  return stop;
}

/** Returns an id that sorts by its time, like the ids that the server makes. */
function newId(): string {
  const random = crypto.getRandomValues(new Uint32Array(3));
  return [Date.now(), ...random].map((number) => number.toString(36).padStart(number > 2 ** 32 ? 9 : 7, "0")).join("");
}
