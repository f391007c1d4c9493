/**
 * Documents alone, without sign-in. Pass `auth` if the user should be signed in.
 *
 * ```ts
 * import { createData } from "bunbase-js/data";
 *
 * const data = createData("https://api.example.com", "pk_…");
 * const { items } = await data.collection("posts").query({ limit: 10 });
 * ```
 */

import type { ClientOptions } from "../call.js";
import { type Signed, signedBy } from "../signed.js";
import { Transport } from "../transport.js";
import { Data } from "./data.js";
import type { AnyDatabase, Schema } from "./types.js";

export { Problem } from "../problem.js";
export type { ProblemCode } from "../problem_codes.js";
export type { Call, ClientOptions, Json, WriteCall } from "../call.js";
export type { Collection } from "./collection.js";
export type { Data } from "./data.js";
export type { Transaction, TransactionCollection } from "./transaction.js";
export type * from "./types.js";

/**
 * Makes the `data` of a client.
 *
 * ```ts
 * const data = createData<Database>("https://api.example.com", "pk_…", { auth });
 * ```
 */
export function createData<D extends Schema<D> = AnyDatabase>(
  url: string,
  publishableKey: string,
  options: ClientOptions & Signed = {},
): Data<D> {
  return new Data<D>(signedBy(new Transport(url, publishableKey, options), options));
}
