/**
 * Files alone, without sign-in. Pass `auth` if the user should be signed in.
 *
 * ```ts
 * import { createFiles } from "bunbase-js/files";
 *
 * const files = createFiles("https://api.example.com", "pk_…");
 * await files.bucket("photos").upload("rye.jpg", blob);
 * ```
 */

import type { ClientOptions } from "../call.js";
import { type Signed, signedBy } from "../signed.js";
import { Transport } from "../transport.js";
import { Files } from "./files.js";

export { Problem } from "../problem.js";
export type { ProblemCode } from "../problem_codes.js";
export type { Call, ClientOptions } from "../call.js";
export type { Bucket } from "./bucket.js";
export type { FileDownload } from "./download.js";
export type { Files } from "./files.js";
export type * from "./types.js";

/**
 * Makes the `files` of a client.
 *
 * ```ts
 * const files = createFiles("https://api.example.com", "pk_…", { auth });
 * ```
 */
export function createFiles(url: string, publishableKey: string, options: ClientOptions & Signed = {}): Files {
  return new Files(signedBy(new Transport(url, publishableKey, options), options));
}
