/**
 * Sign-in alone, without documents and functions.
 *
 * ```ts
 * import { createAuth } from "bunbase-js/auth";
 *
 * const auth = createAuth("https://api.example.com", "pk_…");
 * await auth.signIn({ email: "eve@example.com", password: "apples and pears" });
 * ```
 */

import type { ClientOptions } from "../call.js";
import { Transport } from "../transport.js";
import { Auth } from "./auth.js";

export { Problem } from "../problem.js";
export type { ProblemCode } from "../problem_codes.js";
export type { Call, ClientOptions, Json, SessionStorage } from "../call.js";
export type { Auth } from "./auth.js";
export type { AwayCall, PopupCall, Returned } from "./away.js";
export type { Identities, Sessions } from "./lists.js";
export type { Passkeys } from "./passkeys.js";
export type { Totp } from "./factors.js";
export type * from "./types.js";

/**
 * Makes the `auth` of a client. Pass the returned object as `auth` to `createData` and `createFunctions`.
 *
 * ```ts
 * const auth = createAuth("https://api.example.com", "pk_…");
 * ```
 */
export function createAuth(url: string, publishableKey: string, options: ClientOptions = {}): Auth {
  return new Auth(new Transport(url, publishableKey, options));
}
