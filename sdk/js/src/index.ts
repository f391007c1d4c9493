/**
 * The client of BunBase.
 *
 * ```ts
 * import { createClient } from "bunbase-js";
 *
 * const client = createClient("https://api.example.com", "pk_…");
 * await client.auth.signIn({ email: "eve@example.com", password: "apples and pears" });
 * const post = await client.data.collection("posts").create({ title: "Hello" });
 * ```
 */

import { Auth } from "./auth/auth.js";
import type { ClientOptions } from "./call.js";
import { Data } from "./data/data.js";
import type { AnyDatabase, Schema } from "./data/types.js";
import { Files } from "./files/files.js";
import { Functions } from "./functions/functions.js";
import { Transport } from "./transport.js";

export { Problem, type ProblemBody } from "./problem.js";
export type { ProblemCode } from "./problem_codes.js";
export type { Call, ClientOptions, Json, SessionStorage, WriteCall } from "./call.js";
export type { Auth } from "./auth/auth.js";
export type { AwayCall, PopupCall, Returned } from "./auth/away.js";
export type * from "./auth/types.js";
export type { Collection } from "./data/collection.js";
export type { Data } from "./data/data.js";
export type { Transaction, TransactionCollection } from "./data/transaction.js";
export type * from "./data/types.js";
export type { Bucket } from "./files/bucket.js";
export type { FileDownload } from "./files/download.js";
export type { Files } from "./files/files.js";
export type * from "./files/types.js";
export type { FetchOptions, Functions, InvokeOptions } from "./functions/functions.js";

/**
 * The member that `using` calls. If the `lib` of an app lacks `Symbol.dispose`, the app's compiler does not see this
 * member.
 */
type Ending = typeof Symbol extends { readonly dispose: infer S extends symbol } ? { [K in S]: () => void } : {};

/** One project, used by one person. */
export interface Client<D extends Schema<D> = AnyDatabase> extends Ending {
  readonly auth: Auth;
  readonly data: Data<D>;
  readonly files: Files;
  readonly functions: Functions;
  /** Removes the listeners of this client. The session stays in the storage. */
  close(): void;
}

/**
 * Makes a client. `D` is the `Database` that `bunbase gen types` writes; without it, documents have unknown fields.
 *
 * ```ts
 * const client = createClient<Database>("https://api.example.com", "pk_…");
 * ```
 */
export function createClient<D extends Schema<D> = AnyDatabase>(
  url: string,
  publishableKey: string,
  options: ClientOptions = {},
): Client<D> {
  const transport = new Transport(url, publishableKey, options);
  const auth = new Auth(transport);
  const close = () => auth.close();
  const data = new Data<D>(transport);
  // engines without `using` have no Symbol.dispose
  const ending = (Symbol as { dispose?: symbol }).dispose ?? "close";
  return { auth, data, files: new Files(transport), functions: new Functions(transport), close, [ending]: close } as unknown as Client<D>;
}
