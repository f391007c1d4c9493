/** The documents of one collection. */

import type { Call, WriteCall } from "../call.js";
import { invalidValue, Problem } from "../problem.js";
import { path, type Sender, type Wanted } from "../transport.js";
import type { DataRequests } from "./requests.js";
import type {
  Aggregate,
  CollectionTypes,
  Doc,
  Found,
  GetOptions,
  Insert,
  NoQuery,
  Page,
  Patch,
  Query,
  Update,
  Where,
  WriteOptions,
} from "./types.js";

const ATTEMPTS = 5;
const OF_FIELD = /^\$(?!and$|n?or$|search$)/; // this matches operators that compare a field
// without this check, a write with a misspelt `ifRev` would overwrite a newer document
const OPTION = /^(if(Rev|Absent)|idempotencyKey|signal|timeoutMs|retries|headers)$/;

export class Collection<C extends CollectionTypes> {
  readonly name: string;
  readonly #requests: DataRequests;

  /** @internal */
  constructor(name: string, requests: DataRequests) {
    this.name = name;
    this.#requests = requests;
  }

  /**
   * Reads a document. Throws `document_not_found`, also for a document that a rule hides.
   *
   * ```ts
   * const post = await client.data.collection("posts").get("first");
   * ```
   */
  async get(id: string, { expand, ...call }: GetOptions<C> = {}): Promise<Doc<C>> {
    const where = this.#path(id) + (expand ? `?expand=${encodeURIComponent(expand.join())}` : "");
    return this.#requests.read({ method: "GET", path: where }, call);
  }

  /**
   * Reads a document, or returns null if there is none.
   *
   * ```ts
   * const post = (await client.data.collection("posts").find("first")) ?? { title: "new" };
   * ```
   */
  async find(id: string, options?: GetOptions<C>): Promise<Doc<C> | null> {
    try {
      return await this.get(id, options);
    } catch (problem) {
      if (Problem.is(problem, "document_not_found")) return null;
      throw problem;
    }
  }

  /**
   * Returns one page of the documents that match.
   *
   * ```ts
   * const { items, next } = await client.data.collection("posts").query({ where: { likes: { $gt: 10 } }, sort: ["-likes"] });
   * ```
   */
  async query<const S extends string = never>(query: Query<C, S> = {}, call?: Call): Promise<Page<Found<C, S>>> {
    return this.#requests.read({ method: "POST", path: `${this.#path()}/query`, body: query }, call);
  }

  /**
   * Yields page after page, until there are no more pages or you leave the loop.
   *
   * ```ts
   * for await (const page of client.data.collection("posts").pages({ limit: 100 })) console.log(page.items.length);
   * ```
   */
  async *pages<const S extends string = never>(query: Query<C, S> = {}, call?: Call): AsyncGenerator<Page<Found<C, S>>, void, void> {
    const mine = this.of({});
    for (let cursor = query.cursor ?? null; ; ) {
      const page: Page<Found<C, S>> = await mine.query(cursor === null ? query : { ...query, cursor }, call);
      yield page;
      if (page.next === null) return;
      cursor = page.next;
    }
  }

  /**
   * Yields all documents that match, page by page. `limit` is the size of a page.
   *
   * ```ts
   * for await (const post of client.data.collection("posts").all({ where: { draft: true } })) console.log(post.title);
   * ```
   */
  async *all<const S extends string = never>(query: Query<C, S> = {}, call?: Call): AsyncGenerator<Found<C, S>, void, void> {
    for await (const page of this.pages(query, call)) yield* page.items;
  }

  /**
   * Returns the first document that matches, or null.
   *
   * ```ts
   * const newest = await client.data.collection("posts").first({ sort: ["-_created"] });
   * ```
   */
  async first<const S extends string = never>(query: Query<C, S> = {}, call?: Call): Promise<Found<C, S> | null> {
    return (await this.query({ ...query, limit: 1 }, call)).items[0] ?? null;
  }

  /**
   * Counts the documents that match. Pass the filter itself: `count` refuses a query (`{ where: … }`).
   *
   * ```ts
   * const drafts = await client.data.collection("posts").count({ draft: true });
   * ```
   */
  async count(where?: Where<C> & NoQuery, call?: Call): Promise<number> {
    refuseQuery(where);
    const [counted] = await this.aggregate<{ n: number }>({ where, values: { n: { $count: true } } }, call);
    return counted?.n ?? 0;
  }

  /**
   * Computes values over groups of documents. Without `limit`, the call reads all pages of groups.
   *
   * ```ts
   * const totals = await client.data.collection("orders").aggregate<{ status: string; total: number }>({
   *   group: ["status"],
   *   values: { total: { $sum: "price" } },
   * });
   * ```
   */
  async aggregate<R>(aggregate: Aggregate<C>, call?: Call): Promise<R[]> {
    const items: R[] = [];
    const requests = this.#requests.of({});
    let cursor: string | null | undefined;
    do {
      const wanted = { method: "POST", path: `${this.#path()}/aggregate`, body: { ...aggregate, cursor } };
      const page: Page<R> = await requests.read(wanted, call);
      items.push(...page.items);
      cursor = page.next;
    } while (cursor && !aggregate.limit);
    return items;
  }

  /**
   * Creates a document. Throws `document_exists` if its `_id` is taken. A retry after a lost response creates no second
   * document.
   *
   * ```ts
   * const post = await client.data.collection("posts").create({ title: "Hello" });
   * ```
   */
  async create(document: Insert<C>, call?: WriteCall): Promise<Doc<C>> {
    return this.#requests.write({ method: "POST", path: this.#path(), body: document }, call);
  }

  /**
   * Replaces a document, or creates it.
   *
   * ```ts
   * await client.data.collection("posts").put("first", { title: "Hello" }, { ifAbsent: true });
   * ```
   */
  async put(id: string, document: Insert<C>, options?: WriteOptions): Promise<Doc<C>> {
    return this.#requests.write(this.#conditional("PUT", id, document, options), options);
  }

  /**
   * Changes a document by a merge patch, or by update operators. In a merge patch, null removes a field.
   *
   * ```ts
   * await client.data.collection("posts").patch("first", { $inc: { likes: 1 } });
   * ```
   */
  async patch(id: string, change: Patch<C> & Update<C>, options?: WriteOptions): Promise<Doc<C>> {
    return this.#requests.write(this.#conditional("PATCH", id, change, options), options);
  }

  /**
   * Reads a document, and changes it. If somebody else has changed the document meanwhile, the call starts again, up to
   * five times. `change` returns a patch or update operators, or undefined to leave the document as it is.
   *
   * ```ts
   * await client.data.collection("posts").update("first", (post) => ({ likes: post.likes + 1 }));
   * ```
   */
  async update(
    id: string,
    change: (document: Doc<C>) => MaybePromise<Patch<C> & Update<C> | undefined>,
    { attempts = ATTEMPTS, ...call }: { attempts?: number } & Call = {},
  ): Promise<Doc<C>> {
    return this.#requests.again(attempts, call, async (within, requests) => {
      const mine = new Collection<C>(this.name, requests);
      const found = await mine.get(id, within);
      const changed = await change(found);
      return changed === undefined ? found : mine.patch(id, changed, { ...within, ifRev: found._rev });
    });
  }

  /**
   * Deletes a document. Throws `document_not_found` if there is none.
   *
   * ```ts
   * await client.data.collection("posts").delete("first");
   * ```
   */
  async delete(id: string, options?: WriteOptions): Promise<void> {
    await this.#requests.write(this.#conditional("DELETE", id, undefined, options), options);
  }

  /** The requests of this collection, for the other modules. @internal */
  get requests(): DataRequests {
    return this.#requests;
  }

  /** Returns the same collection, but all its requests act for one user. @internal */
  of(sender: Sender): Collection<C> {
    return new Collection(this.name, this.#requests.of(sender));
  }

  #path(id?: string): string {
    return `/v1/data${id === undefined ? path(this.name) : path(this.name, id)}`;
  }

  #conditional(method: string, id: string, body: unknown, options: WriteOptions = {}): Wanted {
    const { ifRev, ifAbsent } = options;
    for (const name of Object.keys(options)) if (!OPTION.test(name)) throw invalidValue(name, "No such option.");
    const headers: Record<string, string> = {};
    // revision 0 means that no document exists, as in a commit
    if (ifAbsent || ifRev === 0) headers["If-None-Match"] = "*";
    else if (ifRev !== undefined) headers["If-Match"] = `"${ifRev}"`;
    return { method, path: this.#path(id), body, headers };
  }
}

/**
 * Throws if a filter is a query. A field `where` of a document is compared with an operator: `{ where: { $eq: … } }`.
 */
function refuseQuery(filter: { where?: unknown } | undefined): void {
  const where = filter?.where;
  if (where && typeof where === "object" && !Object.keys(where).some((name) => OF_FIELD.test(name)))
    throw invalidValue("where", "Pass the filter itself; for a field, { where: { $eq: … } }.");
}

type MaybePromise<T> = T | Promise<T>;
