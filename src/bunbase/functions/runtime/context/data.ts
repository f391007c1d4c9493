/** Documents: `ctx.data`, without and with the types of the project's collections. */

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

export type Name<D> = Extract<keyof D, string>;
export type Read<D, N extends keyof D> = D[N] extends { read: infer R } ? R : never;
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
