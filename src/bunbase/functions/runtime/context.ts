/** The types that a function sees. `make gen` copies them to packages/functions/index.d.ts, where users read them. */

export type Level = "debug" | "info" | "warn" | "error";

export type Log = Readonly<Record<Level, (...values: unknown[]) => void>>;

/** The signed-in end user on whose behalf the function is called. */
export type Caller = Readonly<{
  uid: string;
  email: string | null;
  role: string;
  claims: Readonly<Record<string, unknown>>;
}>;

/** Of an end user, as the project's sign-in knows it now. `data` is the user's own to write. */
export type User = Readonly<{
  id: string;
  email: string | null;
  email_verified: boolean;
  role: string;
  claims: Readonly<Record<string, unknown>>;
  data: Readonly<Record<string, unknown>>;
  created_at: string;
}>;

/** A document, or what is to become one; JSON. */
export type AnyDocument = Readonly<Record<string, unknown>>;

/** What every stored document carries. Times are RFC 3339. */
export type System = Readonly<{ _id: string; _rev: number; _created: string; _updated: string }>;

/** `next`: the cursor of the next page, null at the end. `count` only where it was asked for. */
export type Page<T> = Readonly<{ items: (T & System)[]; next: string | null; count?: number }>;

/** `where`: a filter in MongoDB's words. `sort`: paths, `-` in front where they descend. */
export type Query = Readonly<{
  where?: Readonly<Record<string, unknown>>;
  sort?: readonly string[];
  limit?: number;
  cursor?: string | null;
  select?: readonly string[];
  count?: boolean;
  explain?: boolean;
}>;

export type AggregateOptions = Readonly<{
  values: Readonly<Record<string, unknown>>;
  where?: Readonly<Record<string, unknown>>;
  group?: readonly string[];
}>;

/** Only if this revision is stored (0: nothing is), or only if there is no document yet. */
export type WriteOptions = Readonly<{ ifRev?: number; ifAbsent?: boolean }>;

export type Write = Readonly<{
  op: "create" | "put" | "patch" | "delete" | "check";
  collection: string;
  id?: string;
  data?: AnyDocument;
  if_rev?: number;
}>;

export type Committed = Readonly<{ seq: number; results: readonly Readonly<{ id: string; rev: number }>[] }>;

/** Documents. Each method throws a Problem (`code`, `status`, `detail`) where the HTTP API answers with one. */
export type Data = Readonly<{
  get<T = AnyDocument>(collection: string, id: string): Promise<T & System>;
  list<T = AnyDocument>(
    collection: string,
    options?: Readonly<{ limit?: number; cursor?: string | null }>,
  ): Promise<Page<T>>;
  query<T = AnyDocument>(collection: string, query?: Query): Promise<Page<T>>;
  aggregate<T = AnyDocument>(
    collection: string,
    options: AggregateOptions,
  ): Promise<Readonly<{ items: T[]; next: string | null }>>;
  create<T = AnyDocument>(collection: string, document: AnyDocument): Promise<T & System>;
  put<T = AnyDocument>(
    collection: string,
    id: string,
    document: AnyDocument,
    options?: WriteOptions,
  ): Promise<T & System>;
  /** A merge patch, or update operators (`$inc`, `$push`, …). */
  patch<T = AnyDocument>(
    collection: string,
    id: string,
    patch: AnyDocument,
    options?: WriteOptions,
  ): Promise<T & System>;
  delete(collection: string, id: string, options?: WriteOptions): Promise<void>;
  /** All or nothing. */
  commit(writes: readonly Write[]): Promise<Committed>;
}>;

/** A user as administration sees it. */
export type ManagedUser = User & Readonly<{ banned: boolean; has_password: boolean }>;

/** `role` and `claims` are what rules read as `auth.role` and `auth.claims`; claims have at most 1 KiB of JSON. */
export type UserFields = Readonly<{
  email_verified?: boolean;
  password?: string;
  role?: string;
  claims?: Readonly<Record<string, unknown>>;
  data?: Readonly<Record<string, unknown>>;
}>;

/** `email`: the whole address; `q`: how it begins. */
export type UserQuery = Readonly<{
  email?: string;
  q?: string;
  role?: string;
  banned?: boolean;
  limit?: number;
  cursor?: string | null;
}>;

/** The project's users, with all the project may. Throws a Problem such as `user_not_found` or `email_taken`. */
export type Users = Readonly<{
  get(id: string): Promise<ManagedUser>;
  getByEmail(email: string): Promise<ManagedUser>;
  /** Newest first. */
  list(query?: UserQuery): Promise<Readonly<{ items: readonly ManagedUser[]; next: string | null }>>;
  create(user: UserFields & Readonly<{ email: string }>): Promise<ManagedUser>;
  /** What is not named stays. Access tokens that say what is no longer true end within a second. */
  update(id: string, changes: UserFields & Readonly<{ email?: string; banned?: boolean }>): Promise<ManagedUser>;
  delete(id: string): Promise<void>;
  /** Ends all the user's sessions. */
  signOut(id: string): Promise<void>;
}>;

/** `me`, `updateMe`: this call's signed-in user; a Problem (`unauthenticated`) is thrown where there is none. */
export type Auth = Readonly<{
  me(): Promise<User>;
  updateMe(data: Readonly<Record<string, unknown>>): Promise<User>;
  users: Users;
  /** Signs the user in, once and within five minutes, at `POST /v1/auth/login/custom-token`. */
  customToken(uid: string, claims?: Readonly<Record<string, unknown>>): Promise<string>;
}>;

/** Why the function runs, if not for a request from outside. `due_at`: RFC 3339. */
export type Trigger = Readonly<{ kind: "cron" | "job" | "change"; job: string; attempt: number; due_at: string }>;

/** `key`: while a job of the function with this key waits or runs, no second one is made. At most 20 attempts. */
export type EnqueueOptions = Readonly<{
  delay_seconds?: number;
  run_at?: Date | string;
  key?: string;
  attempts?: number;
}>;

export type Job = Readonly<{
  id: string;
  function: string;
  state: "waiting" | "blocked" | "running" | "dead";
  due_at: string;
  key?: string;
}>;

export type Context = Readonly<{
  project: string;
  function: Readonly<{ name: string; version: number }>;
  invocation: Readonly<{ id: string }>;
  caller: Caller | null;
  env: Readonly<Record<string, string>>;
  log: Log;
  /** Documents, with all the project may: no rule is asked. */
  data: Data;
  /** Documents with what the caller may (`ctx.as(ctx.caller)`), or somebody not signed in (`null`): rules apply. */
  as(caller: Caller | null): Readonly<{ data: Data }>;
  auth: Auth;
  /** Runs a function of the project later, as a job: again until it succeeds or its attempts are used up. */
  enqueue(functionName: string, payload?: unknown, options?: EnqueueOptions): Promise<Job>;
  /** What runs this call; null for a request from outside. */
  trigger: Trigger | null;
  /** Keeps the call alive behind its answer until the promise settles, within the function's `timeout_ms`. */
  waitUntil(promise: Promise<unknown>): void;
  /** Aborted at the deadline, when the processor time is used up, and when the client has gone. */
  signal: AbortSignal;
}>;

/**
 * A Response is sent as it is, anything else as JSON, nothing at all as 204.
 *
 * `request.body` gives bytes as the client sends them. Reading throws a Problem when the body is `payload_too_large`, the
 * client `request_stalled`, or the answer ended first (`call_over`); an AbortError when the client has gone.
 */
export type Handler = (request: Request, context: Context) => unknown;

/** What is refused: thrown by `ctx.data`, `ctx.auth` and reading a request; of `fetch` it is the `cause` of the TypeError. */
export interface Problem extends Error {
  /** Stable: decide by it. */
  readonly code: string;
  readonly status: number;
  /** What to do next. */
  readonly detail: string;
}
