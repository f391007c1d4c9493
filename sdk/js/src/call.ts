/** The options of the client, and of each call. */

import type { Problem } from "./problem.js";

/** A value that JSON can hold. Dates are written as RFC 3339, and `bigint` as an integer. */
export type Json = string | number | bigint | boolean | null | Date | readonly Json[] | { readonly [name: string]: Json | undefined };

/** A place for the session. `localStorage` has this shape, and so has AsyncStorage of React Native. */
export interface SessionStorage {
  getItem(key: string): string | null | Promise<string | null>;
  setItem(key: string, value: string): void | Promise<void>;
  removeItem(key: string): void | Promise<void>;
}

export interface ClientOptions {
  /** The storage of the session: by default `localStorage` in a page, and memory elsewhere. `null` means memory. */
  storage?: SessionStorage | null;
  /** The key in the storage. The default contains the server's URL and the publishable key. */
  storageKey?: string;
  /** By default, `globalThis.fetch` at the time of each call. */
  fetch?: typeof fetch;
  /** The time limit of a whole call with its retries, in milliseconds: 30,000 by default. */
  timeoutMs?: number;
  /** The maximum number of retries of a call that may be repeated: 2 by default. */
  retries?: number;
  /** Headers for every request. */
  headers?: Record<string, string>;
  /**
   * The client calls this function with problems that no call can throw, for example if the storage does not answer. By
   * default, the client writes a warning.
   */
  onProblem?(problem: Problem): void;
}

/** The last parameter of every call. */
export interface Call {
  /** Ends the call when this signal is aborted. If the signal is aborted before the call, the client sends nothing. */
  signal?: AbortSignal | undefined;
  timeoutMs?: number | undefined;
  retries?: number | undefined;
  headers?: Record<string, string> | undefined;
}

/** Options of a call that writes. */
export interface WriteCall extends Call {
  /**
   * By default, each call gets a new key. If you pass your own key, a repeated write takes effect only once, even after
   * a restart.
   */
  idempotencyKey?: string | undefined;
}
