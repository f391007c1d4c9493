/** The parts that the package `bunbase-admin` of the same version shares. They are no API: every version may change them. */

import type { Call, ClientOptions } from "./call.js";
import { Data } from "./data/data.js";
import type { AnyDatabase, Schema } from "./data/types.js";
import { Functions } from "./functions/functions.js";
import * as json from "./json.js";
import * as problem from "./problem.js";
import * as transport from "./transport.js";

/** The tokens of a program: the present one, and another one than `refused`, or null if there is none. */
export type Tokens = Pick<transport.Credentials, "current" | "renewed">;

/** As `Wanted` in transport.ts, whose declaration is not published. */
export interface ApiRequest {
  method: string;
  path: string;
  body?: unknown;
  raw?: BodyInit | null | undefined;
  headers?: Record<string, string> | undefined;
  token?: string | null | undefined;
  repeatable?: boolean;
}

export interface Sender {
  readonly origin: string;
  json<T>(request: ApiRequest, call?: Call): Promise<T>;
  sent<T>(request: ApiRequest, call: Call, read: (response: Response, text: () => Promise<string>) => Promise<T>): Promise<T>;
}

export function createSender(url: string, key: string, options: ClientOptions, tokens?: Tokens): Sender {
  // everybody who has a page can read its key
  if (key.startsWith("sk_") && "document" in globalThis) throw invalidValue("key", "A page must not have a secret key.");
  const sender = new transport.Transport(url, key, options, true);
  if (tokens) {
    const { current, renewed } = tokens;
    sender.credentials = { ready: Promise.resolve(), userId: undefined, listen: () => () => {}, current, renewed };
  }
  return sender;
}

export const dataOf = <D extends Schema<D> = AnyDatabase>(sender: Sender): Data<D> =>
  new Data<D>(sender as transport.Transport);
export const functionsOf = (sender: Sender): Functions => new Functions(sender as transport.Transport);

export const invalidValue: (path: string, message: string, cause?: unknown) => problem.Problem = problem.invalidValue;
/** Returns the JSON value of an answer, undefined for an empty one, or the Problem that it stands for. */
export const answerOf: (response: Response, text: string) => unknown = transport.answerOf;
export const path: (...parts: string[]) => string = transport.path;
export const randomText: () => string = transport.randomText;
export const writeJson: (value: unknown) => string = json.writeJson;
export const readJson: (text: string) => unknown = json.readJson;
