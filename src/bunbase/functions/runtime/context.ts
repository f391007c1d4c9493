/**
 * The types that a function sees. `make gen` joins this file and those of the folder `context`, in the order of the
 * exports below, to packages/functions/index.d.ts, where users read them.
 */

import type { Auth, Caller } from "./context/auth.ts";
import type { Channels } from "./context/channels.ts";
import type { AnyDatabase, Data } from "./context/data.ts";
import type { Files } from "./context/files.ts";
import type { EnqueueOptions, Job, Trigger } from "./context/triggers.ts";

export type * from "./context/auth.ts";
export type * from "./context/data.ts";
export type * from "./context/files.ts";
export type * from "./context/channels.ts";
export type * from "./context/triggers.ts";
export type * from "./context/hooks.ts";
export type * from "./context/migration.ts";
export type * from "./context/problem.ts";

export type Level = "debug" | "info" | "warn" | "error";

export type Log = Readonly<Record<Level, (...values: unknown[]) => void>>;

/**
 * `D`: the `Database` that `bunbase gen types` writes. With it, `ctx.data` knows the collections and their documents.
 */
export type Context<D extends object = AnyDatabase> = Readonly<{
  project: string;
  function: Readonly<{ name: string; version: number }>;
  invocation: Readonly<{ id: string }>;
  caller: Caller | null;
  env: Readonly<Record<string, string>>;
  log: Log;
  /** Documents, with all rights of the project: no rules apply. */
  data: Data<D>;
  /** Files, with all rights of the project: no rules apply. */
  files: Files;
  /** Channels, with all rights of the project. */
  channels: Channels;
  /**
   * Documents, files and channels with the rights of the caller (`ctx.as(ctx.caller)`) or of a visitor who is not signed in
   * (`null`). Rules apply.
   */
  as(caller: Caller | null): Readonly<{ data: Data<D>; files: Files; channels: Channels }>;
  auth: Auth;
  /** Runs a function of the project later, as a job. The job is repeated until it succeeds or has no attempts left. */
  enqueue(functionName: string, payload?: unknown, options?: EnqueueOptions): Promise<Job>;
  /** The schedule, job, change or hook that caused this call; null for a request from outside. */
  trigger: Trigger | null;
  /** Keeps the call alive after its answer until the promise settles, at most until the function's `timeout_ms`. */
  waitUntil(promise: Promise<unknown>): void;
  /** Aborted when the call has exceeded its time or its processor time, or when the client has disconnected. */
  signal: AbortSignal;
}>;

/**
 * A function. It may return a Response, which is sent as it is; `undefined`, which is sent as status 204; or any other
 * value, which is sent as JSON.
 *
 * `request.body` yields bytes as the client sends them. Reading throws a Problem if the body is too large
 * (`payload_too_large`), if the client sends nothing for too long (`request_stalled`), or if the answer has already
 * ended (`call_over`). If the client has disconnected, reading throws an AbortError.
 */
export type Handler<D extends object = AnyDatabase> = (request: Request, context: Context<D>) => unknown;
