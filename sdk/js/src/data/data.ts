/** The documents of the project. */

import type { Call, WriteCall } from "../call.js";
import type { Transport } from "../transport.js";
import { Collection } from "./collection.js";
import { DataRequests } from "./requests.js";
import { Transaction } from "./transaction.js";
import type { AnyDatabase, CollectionTypes, Committed, Schema, Write } from "./types.js";

const ATTEMPTS = 5;

export class Data<D extends Schema<D> = AnyDatabase> {
  readonly #requests: DataRequests;

  /** @internal */
  constructor(transport: Transport) {
    this.#requests = new DataRequests(transport);
  }

  /**
   * Returns a collection. The call sends no request.
   *
   * ```ts
   * const posts = client.data.collection("posts");
   * ```
   */
  collection<N extends keyof D & string>(name: N): Collection<D[N]> {
    return new Collection(name, this.#requests);
  }

  /**
   * Performs all writes, or none of them. A commit contains at most 500 writes.
   *
   * ```ts
   * await client.data.commit([
   *   { op: "patch", collection: "accounts", id: "ada", data: { $inc: { balance: -10 } } },
   *   { op: "patch", collection: "accounts", id: "eve", data: { $inc: { balance: 10 } } },
   * ]);
   * ```
   */
  commit(writes: readonly Write<D>[], call?: WriteCall): Promise<Committed> {
    return committed(this.#requests, writes, call);
  }

  /**
   * Runs `work` with reads and writes that belong together. If a document that `work` has read changes before the
   * commit, nothing is written, and `work` runs again, up to five times in all. So `work` should only read and write
   * documents.
   *
   * ```ts
   * await client.data.transaction(async (tx) => {
   *   const account = await tx.collection("accounts").get("ada");
   *   if (account.balance < 10) throw new Error("too little");
   *   tx.collection("accounts").patch("ada", { balance: account.balance - 10 });
   * });
   * ```
   */
  transaction<R>(
    work: (tx: Transaction<D>) => Promise<R> | R,
    { attempts = ATTEMPTS, ...call }: { attempts?: number } & Call = {},
  ): Promise<R> {
    return this.#requests.again(attempts, call, async (within, requests) => {
      const collection = (name: string) => new Collection<CollectionTypes>(name, requests);
      const transaction = new Transaction<D>(collection, within);
      const result = await work(transaction);
      const { writes } = transaction;
      if (writes.length) await committed(requests, writes, within);
      return result;
    });
  }
}

function committed<D extends Schema<D>>(requests: DataRequests, writes: readonly Write<D>[], call?: WriteCall): Promise<Committed> {
  const sent = (writes as readonly { ifRev?: number }[]).map(({ ifRev, ...write }) => ({ ...write, if_rev: ifRev }));
  return requests.write({ method: "POST", path: "/v1/commit", body: { writes: sent } }, call);
}
