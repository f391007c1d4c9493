/**
 * Functions alone, without sign-in. Pass `auth` if the user should be signed in.
 *
 * ```ts
 * import { createFunctions } from "bunbase-js/functions";
 *
 * const functions = createFunctions("https://api.example.com", "pk_…");
 * await functions.invoke("hello", { name: "Ada" });
 * ```
 */

import type { ClientOptions } from "../call.js";
import { type Signed, signedBy } from "../signed.js";
import { Transport } from "../transport.js";
import { Functions } from "./functions.js";

export { Problem } from "../problem.js";
export type { ProblemCode } from "../problem_codes.js";
export type { Call, ClientOptions, Json, WriteCall } from "../call.js";
export type { FetchOptions, Functions, InvokeOptions } from "./functions.js";

/**
 * Makes the `functions` of a client.
 *
 * ```ts
 * const functions = createFunctions("https://api.example.com", "pk_…", { auth });
 * ```
 */
export function createFunctions(url: string, publishableKey: string, options: ClientOptions & Signed = {}): Functions {
  return new Functions(signedBy(new Transport(url, publishableKey, options), options));
}
