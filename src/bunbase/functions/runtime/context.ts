/** What a function sees: its types, and the console that knows which call is speaking. */

export type Level = "debug" | "info" | "warn" | "error";

export type Log = Readonly<Record<Level, (...values: unknown[]) => void>>;

/** The signed-in end user on whose behalf the function is called. */
export type Caller = Readonly<{
  uid: string;
  email: string | null;
  role: string;
  claims: Readonly<Record<string, unknown>>;
}>;

export type Context = Readonly<{
  project: string;
  function: Readonly<{ name: string; version: number }>;
  invocation: Readonly<{ id: string }>;
  caller: Caller | null;
  env: Readonly<Record<string, string>>;
  log: Log;
  /** Aborted at the deadline, and when the client has gone. */
  signal: AbortSignal;
}>;

/** A Response is sent as it is, anything else as JSON, nothing at all as 204. */
export type Handler = (request: Request, context: Context) => unknown;
