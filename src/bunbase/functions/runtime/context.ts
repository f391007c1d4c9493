/** The types that a function sees. `make gen` copies them to packages/functions/index.d.ts, where users read them. */

export type Level = "debug" | "info" | "warn" | "error";

export type Log = Readonly<Record<Level, (...values: unknown[]) => void>>;

/** The signed-in end user on whose behalf the function is called. */
export type Caller = Readonly<{
  uid: string;
  email: string | null;
  role: string;
  claims: Readonly<Record<string, unknown>>;
  /** True if the user has confirmed the address. */
  verified: boolean;
  /** How the user signed in: `password`, `anonymous`, `custom`, the name of a provider, … */
  provider: string;
  /** True if the user has not signed up yet. */
  anonymous: boolean;
  /** The number of factors that were checked at the sign-in. */
  aal: number;
  /** The id of the developer or key that uses the app in the user's place, or empty. */
  act: string;
}>;

/** An end user of the project, with current values. Users may write their own `data`. */
export type User = Readonly<{
  id: string;
  email: string | null;
  email_verified: boolean;
  role: string;
  claims: Readonly<Record<string, unknown>>;
  data: Readonly<Record<string, unknown>>;
  created_at: string;
  name: string;
  phone: string | null;
  phone_verified: boolean;
  anonymous: boolean;
}>;

/** A document, stored or new: a JSON object. */
export type AnyDocument = Readonly<Record<string, unknown>>;

/** The fields that BunBase adds to every stored document. Times are RFC 3339. */
export type System = Readonly<{ _id: string; _rev: number; _created: string; _updated: string }>;

/**
 * One page of results. `next`: the cursor of the next page, or null after the last page. `count`: only if requested.
 */
export type Page<T> = Readonly<{
  items: (T & System)[];
  next: string | null;
  count?: number;
  /** True if `count` is an estimate, because counting exactly would exceed the budget of a query. */
  count_is_estimate?: true;
}>;

/** A query. `where`: a filter with MongoDB's operators. `sort`: paths; a leading `-` sorts in descending order. */
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
  group?: readonly (string | Readonly<Record<string, unknown>>)[];
  sort?: readonly string[];
  limit?: number;
  cursor?: string | null;
}>;

/**
 * Conditions of a write. `ifRev`: the stored document must have this revision (0: no document may exist). `ifAbsent`:
 * no document with this id may exist.
 */
export type WriteOptions = Readonly<{ ifRev?: number; ifAbsent?: boolean }>;

export type Write = Readonly<{
  op: "create" | "put" | "patch" | "delete" | "check";
  collection: string;
  id?: string;
  data?: AnyDocument;
  if_rev?: number;
}>;

export type Committed = Readonly<{ seq: number; results: readonly Readonly<{ id: string; rev: number }>[] }>;

/** Documents. A method throws a Problem (`code`, `status`, `detail`) where the HTTP API would answer with an error. */
export type UntypedData = Readonly<{
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
  /** Changes a document with a merge patch or with update operators (`$inc`, `$push`, …). */
  patch<T = AnyDocument>(
    collection: string,
    id: string,
    patch: AnyDocument,
    options?: WriteOptions,
  ): Promise<T & System>;
  delete(collection: string, id: string, options?: WriteOptions): Promise<void>;
  /** Performs all writes, or none of them. */
  commit(writes: readonly Write[]): Promise<Committed>;
}>;

/** The collections of a project whose types are not known. */
export type AnyDatabase = Readonly<Record<string, Readonly<{ read: AnyDocument & System; write: AnyDocument }>>>;

type Name<D> = Extract<keyof D, string>;
type Read<D, N extends keyof D> = D[N] extends { read: infer R } ? R : never;
type Written<D, N extends keyof D> = D[N] extends { write: infer W } ? W : never;
type Keys<R> = R extends unknown ? keyof R & string : never;
type Dotted<R> = `${Keys<R>}.${string}`;
type Operators = Readonly<Record<`$${string}`, unknown>>;
// A patch and the operators are joined with & instead of |, because the compiler computes every field of each member of
// a union
type UpdateOperators = Readonly<{ [O in `$${Operator}`]?: object } & { arrayFilters?: readonly object[] }>;
type Operator =
  | ("set" | "unset" | "rename" | "setOnInsert" | "now" | "currentDate" | "inc" | "mul" | "min" | "max" | "bit")
  | ("push" | "addToSet" | "pop" | "pull" | "pullAll");
type Scalar = string | number | bigint | boolean | null | undefined;

/**
 * A filter. The compiler checks fields and their values. In a dotted path, the compiler checks only the first name. It
 * does not check operators.
 */
export type Where<R> = { readonly [K in Keys<R>]?: Compared<R extends Partial<Record<K, infer V>> ? V : never> } & {
  readonly [path: `$${string}`]: unknown;
} & { readonly [K in Dotted<R>]?: unknown };
type Compared<V> = V | (V extends readonly (infer E)[] ? E : never) | Operators | null;

export type TypedQuery<R> = Readonly<
  Omit<Query, "where" | "sort" | "select"> & {
    where?: Where<R>;
    sort?: readonly (`${"" | "-"}${Keys<R>}` | `${"" | "-"}${Dotted<R>}`)[];
    select?: readonly (Keys<R> | Dotted<R>)[];
  }
>;

/** A merge patch. `null` removes a field, so only optional fields may be null; to store null, use `$set`. */
export type MergePatch<W> = W extends Scalar | readonly unknown[]
  ? W
  : { [K in keyof W]?: MergePatch<W[K]> | (undefined extends W[K] ? null : never) };

/** A write of a commit to one of the collections. */
export type TypedWrite<D> = {
  [N in Name<D>]:
    | Readonly<{ op: "create"; collection: N; id?: string; data: Written<D, N>; if_rev?: 0 }>
    | Readonly<{ op: "put"; collection: N; id: string; data: Written<D, N>; if_rev?: number }>
    | Readonly<{ op: "patch"; collection: N; id: string; data: MergePatch<Written<D, N>> & UpdateOperators; if_rev?: number }>
    | Readonly<{ op: "delete"; collection: N; id: string; if_rev?: number }>
    | Readonly<{ op: "check"; collection: N; id: string; if_rev: number }>;
}[Name<D>];

/** Documents of collections with the types that `bunbase gen types` writes. */
export type TypedData<D> = Readonly<{
  get<N extends Name<D>>(collection: N, id: string): Promise<Read<D, N>>;
  list<N extends Name<D>>(
    collection: N,
    options?: Readonly<{ limit?: number; cursor?: string | null }>,
  ): Promise<Page<Read<D, N>>>;
  /** With `select`, a document contains only the selected fields. */
  query<N extends Name<D>>(
    collection: N,
    query: TypedQuery<Read<D, N>> & Readonly<{ select: readonly string[] }>,
  ): Promise<Readonly<{ items: (Partial<Read<D, N>> & Readonly<{ _id: string }>)[]; next: string | null; count?: number; count_is_estimate?: true }>>;
  query<N extends Name<D>>(collection: N, query?: TypedQuery<Read<D, N>>): Promise<Page<Read<D, N>>>;
  aggregate<T = AnyDocument>(
    collection: Name<D>,
    options: AggregateOptions,
  ): Promise<Readonly<{ items: T[]; next: string | null }>>;
  create<N extends Name<D>>(collection: N, document: Written<D, N>): Promise<Read<D, N>>;
  put<N extends Name<D>>(
    collection: N,
    id: string,
    document: Written<D, N>,
    options?: WriteOptions,
  ): Promise<Read<D, N>>;
  /** Changes a document with a merge patch or with update operators (`$inc`, `$push`, …). */
  patch<N extends Name<D>>(
    collection: N,
    id: string,
    patch: MergePatch<Written<D, N>> & UpdateOperators,
    options?: WriteOptions,
  ): Promise<Read<D, N>>;
  delete(collection: Name<D>, id: string, options?: WriteOptions): Promise<void>;
  /** Performs all writes, or none of them. */
  commit(writes: readonly TypedWrite<D>[]): Promise<Committed>;
}>;

/**
 * `D`: the `Database` that `bunbase gen types` writes. Without `D`, every collection may have documents of any type.
 */
export type Data<D extends object = AnyDatabase> = AnyDatabase extends D ? UntypedData : TypedData<D>;

/** A user, with the fields that only administration sees. */
export type ManagedUser = User &
  Readonly<{ banned: boolean; has_password: boolean; banned_until: string | null; last_sign_in_at: string | null }>;

/**
 * The fields of a user that a function can set. Rules read `role` and `claims` as `auth.role` and `auth.claims`.
 * `claims`: at most 1 KiB of JSON.
 */
export type UserFields = Readonly<{
  name?: string;
  phone?: string | null;
  phone_verified?: boolean;
  language?: string;
  email_verified?: boolean;
  password?: string;
  role?: string;
  claims?: Readonly<Record<string, unknown>>;
  data?: Readonly<Record<string, unknown>>;
}>;

/**
 * A search for users. `email`: the whole address. `q`: the beginning of the address or the name. `provider`: a service,
 * or `password`.
 */
export type UserQuery = Readonly<{
  email?: string;
  q?: string;
  role?: string;
  banned?: boolean;
  phone?: string;
  provider?: string;
  anonymous?: boolean;
  created_since?: string;
  order?: "newest" | "oldest" | "email";
  limit?: number;
  cursor?: string | null;
}>;

/**
 * The project's users, with the full rights of the project. Methods throw a Problem such as `user_not_found` or
 * `email_taken`.
 */
export type Users = Readonly<{
  get(id: string): Promise<ManagedUser>;
  getByEmail(email: string): Promise<ManagedUser>;
  /** Returns users, newest first. */
  list(query?: UserQuery): Promise<Readonly<{ items: readonly ManagedUser[]; next: string | null }>>;
  create(user: UserFields & Readonly<{ email?: string }>): Promise<ManagedUser>;
  /**
   * Changes the named fields and keeps all other fields. If the change affects the content of access tokens, the old
   * access tokens become invalid within a second.
   */
  update(id: string, changes: UserFields & Readonly<{ email?: string; banned?: boolean; banned_until?: string | null }>): Promise<ManagedUser>;
  delete(id: string): Promise<void>;
  /** Ends all the user's sessions. */
  signOut(id: string): Promise<void>;
}>;

/**
 * `me` and `updateMe` use the signed-in user of this call. If nobody is signed in, they throw a Problem
 * (`unauthenticated`).
 */
export type Auth = Readonly<{
  me(): Promise<User>;
  updateMe(data: Readonly<Record<string, unknown>>): Promise<User>;
  users: Users;
  /**
   * Returns a token that signs the user in at `POST /v1/auth/login/custom-token`. The token works once, within five
   * minutes.
   */
  customToken(uid: string, claims?: Readonly<Record<string, unknown>>): Promise<string>;
}>;

/**
 * A message for a channel. `data`: any JSON of at most 32 KiB. `key`: for two minutes, a message with the same key is
 * not published again.
 */
export type NewMessage = Readonly<{ channel: string; data: unknown; key?: string }>;

/**
 * The position of a message in its channel. `offset` is 0 if nobody listens to the channel and the channel keeps no
 * messages.
 */
export type Published = Readonly<{ channel: string; epoch: string; offset: number }>;

/**
 * Sends messages to everybody who has joined a channel. Methods throw a Problem such as `message_too_large` or
 * `publish_limited`.
 */
export type Channels = Readonly<{
  publish(channel: string, data: unknown, options?: Readonly<{ key?: string }>): Promise<Published>;
  /** Publishes 1 to 100 messages: either all or none. */
  publishAll(messages: readonly NewMessage[]): Promise<readonly Published[]>;
}>;

/**
 * The cause of a call that no request has caused. `due_at`: the planned time, as RFC 3339. `job`: the id of the job;
 * empty if BunBase waits for the answer of a hook.
 */
export type Trigger = Readonly<{ kind: "cron" | "job" | "change" | "hook"; job: string; attempt: number; due_at: string }>;

/**
 * A change of a document. `document`: the present content, which may be newer than `rev`; missing if the document was
 * deleted. `before`: the content before an update or delete, if the collection has `before_images`.
 */
export type Change<T = AnyDocument & System> = Readonly<
  { op: "create" | "update" | "delete"; collection: string; id: string; rev: number; at: string } & { document?: T; before?: T }
>;

/**
 * The body of a call with changes, if the function has `max_batch`. The changes are in the order in which they were
 * made.
 */
export type ChangeBatch<T = AnyDocument & System> = Readonly<{ events: readonly (Change<T> & Readonly<{ job: string }>)[] }>;

/**
 * `key`: while a job of this function with the same key waits or runs, BunBase creates no second job. `attempts`: at
 * most 20.
 */
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
  /** Channels, with all rights of the project. */
  channels: Channels;
  /**
   * Documents and channels with the rights of the caller (`ctx.as(ctx.caller)`) or of a visitor who is not signed in
   * (`null`). Rules apply.
   */
  as(caller: Caller | null): Readonly<{ data: Data<D>; channels: Channels }>;
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

/**
 * The method with which a user signs in or up. `provider`: the same as `Caller.provider`. `amr`: the names of the
 * checks (RFC 8176).
 */
export type SignInMethod = Readonly<{ provider: string; amr: readonly string[]; aal: number }>;

/**
 * `user`: the user who will be stored. `invited`: true if a member of the project has invited the person. `ip`: the
 * person's IP address.
 */
export type BeforeSignup = Readonly<{
  hook: "before_signup";
  user: User;
  method: SignInMethod;
  invited: boolean;
  ip: string;
}>;

/**
 * `refuse`: if set, no user is created, and the person reads this text (at most 200 characters). The other fields
 * replace the fields of the user.
 */
export type SignupDecision =
  | Readonly<{ refuse: string }>
  | Readonly<{
      role?: string;
      claims?: Readonly<Record<string, unknown>>;
      data?: Readonly<Record<string, unknown>>;
    }>;

/** `reason`: the reason for a new access token. `session`: the id of the session of the token. */
export type BeforeToken = Readonly<{
  hook: "before_token";
  user: User;
  method: SignInMethod;
  session: string;
  reason: "sign_in" | "refresh" | "reauthenticate" | "impersonate";
}>;

export type TokenDecision = Readonly<{ claims?: Readonly<Record<string, unknown>> }>;

/**
 * `user`: the user with current values. The hook may have been called for this user before, so use `user.id` as the key
 * of its effects.
 */
export type AfterSignup = Readonly<{ hook: "after_signup"; user: User; provider: string }>;

/**
 * A mail to a user. If the mail is sent again, `id` stays the same. `from`: the name of the sender that the mail should
 * show, or "".
 */
export type SendMail = Readonly<{
  hook: "send_mail";
  mail: Readonly<{
    id: string;
    kind: string;
    to: string;
    subject: string;
    text: string;
    html: string;
    from: string;
    reply_to: string;
  }>;
}>;

/** A text message with a code. `kind`: the purpose of the code. */
export type SendSms = Readonly<{
  hook: "send_sms";
  message: Readonly<{ phone: string; code: string; kind: string; language: string; app_name: string }>;
}>;

/**
 * The caller of a write. `kind`: a signed-in user, a visitor, a program with the secret key (also a function), or a
 * member of the project.
 */
export type Writer = Readonly<{ kind: "user" | "visitor" | "server" | "member"; user: Caller | null }>;

type AllowedWrite<N, R> = Readonly<{ collection: N; id: string }> &
  (
    | Readonly<{ op: "create"; before: null; next: R }>
    | Readonly<{ op: "update"; before: R; next: R }>
    | Readonly<{ op: "delete"; before: R; next: null }>
  );

/**
 * A write that the rules and the schema allow. `before`: the stored document. `next`: the document that will be stored.
 */
export type ChangeOf<D extends object = AnyDatabase> = AnyDatabase extends D
  ? AllowedWrite<string, AnyDocument & System>
  : { [N in Name<D>]: AllowedWrite<N, Read<D, N>> }[Name<D>];

/** `writes`: all writes of the same commit for which this function is called, in order. */
export type BeforeWrite<D extends object = AnyDatabase> = Readonly<{
  hook: "before_write";
  caller: Writer;
  writes: readonly ChangeOf<D>[];
}> &
  ChangeOf<D>;

/**
 * `refuse`: if set, nothing is written, and the user reads this text (at most 200 characters). `code`: the reason for
 * programs, such as `sold_out`. `patch`: a merge patch for `next`.
 */
export type WriteDecision = Readonly<{ refuse: string; code?: string }> | Readonly<{ patch: AnyDocument }>;

type Answer<T> = T | null | undefined | void | Promise<T | null | undefined | void>;

/**
 * The hooks of a function: `export const hooks: Hooks = { … }`. The project's setting `hooks` names the function that
 * BunBase calls. For `beforeWrite`, the setting `before_write` of a collection names the function. No request can call
 * a hook. If a hook throws, or does not answer in time, it has failed: then nobody is signed up or in, a mail or
 * message is not sent, and nothing is written. `D`: the `Database` that `bunbase gen types` writes.
 */
export type Hooks<D extends object = AnyDatabase> = Readonly<{
  /**
   * Decides whether a person becomes a user, and with which fields. If the hook returns nothing, the user is created
   * unchanged.
   */
  beforeSignup?(event: BeforeSignup, context: Context): Answer<SignupDecision>;
  /** Adds claims to an access token, at most 1 KiB of JSON. Rules read them as `auth.claims`. */
  beforeToken?(event: BeforeToken, context: Context): Answer<TokenDecision>;
  /** Runs as a job after a sign-up, until it succeeds or has no attempts left. */
  afterSignup?(event: AfterSignup, context: Context): unknown;
  /** Sends a mail in place of the server. If the hook throws, the mail is sent again later. */
  sendMail?(event: SendMail, context: Context): unknown;
  /** Sends a text message. */
  sendSms?(event: SendSms, context: Context): unknown;
  /**
   * Decides about a write to a collection that names this function. If the hook returns nothing, the document is stored
   * unchanged.
   */
  beforeWrite?(event: BeforeWrite<D>, context: Context<D>): Answer<WriteDecision>;
}>;

/**
 * The change of one document. `patch`: a merge patch or update operators. If nothing is returned, the document stays
 * unchanged.
 */
export type Migrated =
  | Readonly<{ patch: AnyDocument }>
  | Readonly<{ replace: AnyDocument }>
  | Readonly<{ delete: true }>
  | null
  | undefined
  | void;

/**
 * A migration of documents: `export const migration: Migration = { … }` in `migrations/0001_name.ts`. BunBase calls
 * `each` for every document of the collection. The result is written only if the document has not changed meanwhile.
 */
export type Migration<T = AnyDocument> = Readonly<{
  collection: string;
  each(document: T & System, context: Context): Migrated | Promise<Migrated>;
}>;

/**
 * An error with which BunBase answers. `ctx.data`, `ctx.auth` and reading a request throw this error; `fetch` throws a
 * TypeError with this error as `cause`.
 */
export interface Problem extends Error {
  /** Never changes between versions, so programs can depend on it. */
  readonly code: string;
  readonly status: number;
  /** An explanation for people, which contains the next step. */
  readonly detail: string;
}
