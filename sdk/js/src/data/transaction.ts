/** Reads and writes that belong together. */

import { invalidValue } from "../problem.js";
import type { Collection } from "./collection.js";
import type { CollectionTypes, Doc, Insert, Page, Patch, Query, Schema, Update, Write } from "./types.js";
import type { Call } from "../call.js";

/** The documents of one collection, within a transaction. Reads are sent at once; writes are kept for the commit. */
export class TransactionCollection<C extends CollectionTypes> {
  readonly #collection: Collection<C>;
  readonly #transaction: Transaction<never>;
  readonly #call: Call;

  /** @internal */
  constructor(collection: Collection<C>, transaction: Transaction<never>, call: Call) {
    this.#collection = collection;
    this.#transaction = transaction;
    this.#call = call;
  }

  /**
   * Reads a document. If the document has changed before the commit, the commit fails and the transaction starts again.
   *
   * ```ts
   * const account = await tx.collection("accounts").get("ada");
   * ```
   */
  async get(id: string): Promise<Doc<C>> {
    return this.#read(await this.#collection.get(id, this.#call));
  }

  /**
   * Reads a document, or returns null if there is none. If somebody creates the document before the commit, the commit
   * fails.
   *
   * ```ts
   * if (!(await tx.collection("names").find("ada"))) tx.collection("names").put("ada", { owner });
   * ```
   */
  async find(id: string): Promise<Doc<C> | null> {
    const found = await this.#collection.find(id, this.#call);
    if (found) return this.#read(found);
    this.#transaction.saw(this.#collection.name, id, 0);
    return null;
  }

  /**
   * Returns one page. The commit checks the documents of the page. The commit does not check whether other documents
   * have come to match the query meanwhile.
   *
   * ```ts
   * const { items } = await tx.collection("seats").query({ where: { taken: false }, limit: 1 });
   * ```
   */
  async query(query: Omit<Query<C>, "select">): Promise<Page<Doc<C>>> {
    const page = (await this.#collection.query(query as Query<C>, this.#call)) as Page<Doc<C>>;
    for (const item of page.items) this.#read(item);
    return page;
  }

  /**
   * Creates a document at the commit.
   *
   * ```ts
   * tx.collection("entries").create({ amount: -10 });
   * ```
   */
  create(data: Insert<C>): void {
    this.#write({ op: "create", data });
  }

  /**
   * Replaces or creates a document at the commit.
   *
   * ```ts
   * tx.collection("names").put("ada", { owner: "usr_1" });
   * ```
   */
  put(id: string, data: Insert<C>): void {
    this.#write({ op: "put", id, data });
  }

  /**
   * Changes a document at the commit.
   *
   * ```ts
   * tx.collection("accounts").patch("ada", { $inc: { balance: -10 } });
   * ```
   */
  patch(id: string, data: Patch<C> & Update<C>): void {
    this.#write({ op: "patch", id, data });
  }

  /**
   * Deletes a document at the commit.
   *
   * ```ts
   * tx.collection("names").delete("ada");
   * ```
   */
  delete(id: string): void {
    this.#write({ op: "delete", id });
  }

  #write(write: Omit<Kept, "collection">): void {
    this.#transaction.write({ ...write, collection: this.#collection.name });
  }

  #read(document: Doc<C>): Doc<C> {
    this.#transaction.saw(this.#collection.name, document._id, document._rev);
    return document;
  }
}

interface Kept {
  op: string;
  collection: string;
  id?: string;
  data?: unknown;
  ifRev?: number;
}

export class Transaction<D extends Schema<D>> {
  readonly #collection: (name: string) => Collection<CollectionTypes>;
  readonly #call: Call;
  readonly #seen = new Map<string, Kept>();
  readonly #writes: Kept[] = [];

  /** @internal */
  constructor(collection: (name: string) => Collection<CollectionTypes>, call: Call) {
    this.#collection = collection;
    this.#call = call;
  }

  /**
   * Returns a collection whose reads and writes belong to this transaction.
   *
   * ```ts
   * const accounts = tx.collection("accounts");
   * ```
   */
  collection<N extends keyof D & string>(name: N): TransactionCollection<D[N]> {
    const collection = this.#collection(name) as unknown as Collection<D[N]>;
    return new TransactionCollection(collection, this as unknown as Transaction<never>, this.#call);
  }

  /** @internal */
  saw(collection: string, id: string, ifRev: number): void {
    const name = `${collection}/${id}`;
    if (this.#writes.some((write) => write.collection === collection && write.id === id))
      // a read after a write would not see the write, which is sent only with the commit
      throw invalidValue(name, "Read a document before you write it.");
    // the first revision counts: a document that changes between two reads makes the commit fail
    if (!this.#seen.has(name)) this.#seen.set(name, { op: "check", collection, id, ifRev });
  }

  /** @internal */
  write(write: Kept): void {
    this.#writes.push(write);
  }

  /** The commit: the checks of all reads, then the writes. Empty if nothing was written. @internal */
  get writes(): Write<D>[] {
    const all = this.#writes.length ? [...this.#seen.values(), ...this.#writes] : [];
    return all as unknown as Write<D>[];
  }
}
