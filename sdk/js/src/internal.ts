/**
 * The parts that the package `bunbase-admin` of the same version also uses. These parts are not a public API: every
 * version may change them.
 */

import type { Call, ClientOptions } from "./call.js";
import { Data } from "./data/data.js";
import type { AnyDatabase, Schema } from "./data/types.js";
import { BucketFiles } from "./files/bucket.js";
import * as requests from "./files/requests.js";
import type { ImageTransform } from "./files/types.js";
import { Functions } from "./functions/functions.js";
import * as json from "./json.js";
import * as problem from "./problem.js";
import * as transport from "./transport.js";

/** The tokens of a program: the present token, and a token other than `refused`, or null if there is no token. */
export type Tokens = Pick<transport.Credentials, "current" | "renewed">;

/** The same shape as `Wanted` in transport.ts, because the declaration of `Wanted` is not published. */
export interface ApiRequest {
  method: string;
  path: string;
  body?: unknown;
  raw?: BodyInit | null | undefined;
  headers?: Record<string, string> | undefined;
  token?: string | null | undefined;
  repeatable?: boolean;
  /** True if the caller reads the answer after the call. */
  streams?: boolean;
}

export interface Sender {
  readonly origin: string;
  json<T>(request: ApiRequest, call?: Call): Promise<T>;
  sent<T>(request: ApiRequest, call: Call, read: (response: Response, text: () => Promise<string>) => Promise<T>): Promise<T>;
}

const OPTIONS = ["signal", "timeoutMs", "retries", "headers"];

/**
 * Refuses options that a call does not have. TypeScript finds such options, but a program in plain JavaScript needs
 * this check.
 */
export function checkOptions(call: object, more: readonly string[] = []): void {
  const unknown = Object.keys(call).find((name) => !OPTIONS.includes(name) && !more.includes(name));
  if (unknown !== undefined) throw invalidValue(unknown, "This call has no such option. Look for its name in the types or in the guide.");
}

class StrictTransport extends transport.Transport {
  override async sent<T>(...[wanted, call, read]: Parameters<transport.Transport["sent"]>): Promise<T> {
    checkOptions(call, optionsIn(wanted));
    return super.sent(wanted, call, read) as Promise<T>;
  }
}

/** Returns the options that become a part of the request. */
function optionsIn({ method, path, headers = {} }: ApiRequest): string[] {
  const isWrite = path.startsWith("/v1/data/") && ["PUT", "PATCH", "DELETE"].includes(method);
  return [...("Idempotency-Key" in headers ? ["idempotencyKey"] : []), ...(isWrite ? ["ifRev", "ifAbsent"] : [])];
}

/** The sign-in of a live connection, in addition to the token. */
export interface SignIn {
  key?: string;
  project?: string;
}

export function createSender(url: string, key: string, options: ClientOptions, tokens?: Tokens, signIn: SignIn = { key }): Sender {
  // everybody who has opened the page can read the key
  if (key.startsWith("sk_") && "document" in globalThis) throw invalidValue("key", "A page must not have a secret key.");
  const sender = new StrictTransport(url, key, options, true);
  sender.signIn = signIn;
  if (tokens) {
    const { current, renewed } = tokens;
    sender.credentials = { ready: Promise.resolve(), userId: undefined, sharedAs: undefined, follow: () => () => {}, current, renewed };
  }
  return sender;
}

export const dataOf = <D extends Schema<D> = AnyDatabase>(sender: Sender): Data<D> =>
  new Data<D>(sender as transport.Transport);
export type { BucketFiles };
export const variantQuery: (transform: ImageTransform | undefined, first: "?" | "&") => string = requests.variantQuery;

class OfSender extends BucketFiles {
  constructor(name: string, sender: Sender) {
    super(name, sender as transport.Transport);
  }
}

/** The files of a bucket, for a class that adds calls. The declaration of the constructor of BucketFiles is not published. */
export const FilesOfSender: new (name: string, sender: Sender) => BucketFiles = OfSender;
export const functionsOf = (sender: Sender): Functions => new Functions(sender as transport.Transport);

export const invalidValue: (path: string, message: string, cause?: unknown) => problem.Problem = problem.invalidValue;
/** Returns the JSON value of an answer, undefined for an empty answer, or the Problem that the answer describes. */
export const answerOf: (response: Response, text: string) => unknown = transport.answerOf;
export const path: (...parts: string[]) => string = transport.path;
export const randomText: () => string = transport.randomText;
export const writeJson: (value: unknown) => string = json.writeJson;
export const readJson: (text: string) => unknown = json.readJson;
