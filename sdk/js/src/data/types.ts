/**
 * The types of documents. `bunbase gen types --lang ts` writes `Database` from the schemas of a project; `read` is a
 * document as it is read, and `write` as it is written:
 *
 *     export interface Database { posts: { read: Post; write: NewPost } }
 */

import type { Call, WriteCall } from "../call.js";

export interface CollectionTypes {
  read: object;
  write: object;
  /** The paths of the fields that refer to documents, with the collections of these documents. */
  refs?: object;
}

/** The constraint on the type of a database. An interface without an index signature also satisfies the constraint. */
export type Schema<D> = { [N in keyof D]: CollectionTypes };

/** A document of a collection without a schema. */
export type AnyDocument = { [field: string]: unknown };

/** A database whose collections are not known at compile time. */
export type AnyDatabase = { [collection: string]: { read: AnyDocument; write: AnyDocument; refs: {} } };

/** The fields that BunBase adds to every document. Times are RFC 3339. */
export interface System {
  _id: string;
  _rev: number;
  _created: string;
  _updated: string;
}

/** A document as it is read. */
export type Doc<C extends CollectionTypes> = (C["read"] extends System ? C["read"] : C["read"] & System) & { _expand?: Expanded };

/** The documents that a document refers to, if the call named them as `expand`. */
export type Expanded = { [field: string]: unknown };

/** A path for `expand`: a reference, and further references behind it. */
export type Reference<C extends CollectionTypes> =
  Open<C["read"]> extends true ? string : keyof C["refs"] extends infer R extends string ? R | `${R}.${string}` : never;

/** A document as it is written. If `_id` is missing, the server creates an id. */
export type Insert<C extends CollectionTypes> = C["write"] & { _id?: string };

type Scalar = string | number | bigint | boolean | null | undefined | Date;
type Item<T> = T extends readonly (infer E)[] ? E : T;
type Open<T> = string extends keyof T ? true : false;
type Readable<C extends CollectionTypes> = C["read"] extends System ? C["read"] : Open<C["read"]> extends true ? C["read"] : C["read"] & System;

type Inside<V> = Item<NonNullable<V>>;

// The compiler counts each step of these types for every field of every collection. An alias that is a conditional type
// is computed once for each of its arguments, so all paths of a collection share the one pass over its fields.
/** The names of the fields inside objects, or inside lists of objects (`author.name`). */
type Dotted<T> =
  Open<T> extends true
    ? never
    : { [K in keyof T & string]: T[K] extends Scalar | readonly Scalar[] ? never : `${K}.${Name<Inside<T[K]>>}` }[keyof T & string];
type Name<E> = Open<E> extends true ? string : keyof E extends never ? string : keyof E & string;

/** The names of fields, and of the fields inside their objects (`author.name`). Deeper names are not checked. */
export type Path<T> = Open<T> extends true ? string : (keyof T & string) | Dotted<T> | `${Dotted<T>}.${string}`;

/** A value to compare a field with. The value has the field's type, or the type of the field's elements. */
type Operand<V> = [V] extends [string | null | undefined]
  ? V | Date | null
  : [V] extends [number | bigint | null | undefined]
    ? number | bigint | null
    : V extends readonly (infer E)[]
      ? V | Operand<E>
      : V | null;

/** A pattern of RE2, for `$in`, `$nin` and `$all`. */
export interface Pattern {
  $regex: string;
  $options?: string;
}

/** The types of JSON. `int` has 32 bits and `long` more; `double` is any other number. */
export type TypeName = "string" | "number" | "int" | "long" | "double" | "object" | "array" | "bool" | "null";

export interface Condition<O> {
  $eq?: O;
  $ne?: O;
  $gt?: O;
  $gte?: O;
  $lt?: O;
  $lte?: O;
  $in?: readonly (O | Pattern)[];
  $nin?: readonly (O | Pattern)[];
  $exists?: boolean | 0 | 1;
  $not?: Condition<O>;
  $all?: readonly (O | Pattern)[];
  $size?: number;
  $type?: TypeName | readonly TypeName[];
  $mod?: readonly [divisor: number | bigint, remainder: number | bigint];
  $elemMatch?: object;
  $regex?: string;
  $options?: string;
  $startsWith?: string;
}

// an alias of one parameter is computed once for each type of a field, and not once for each field
type Wanted<V> = Operand<V> | Condition<Operand<V>>;
type Typed<T> = { [K in keyof T]?: Wanted<T[K]> } & { [P in Dotted<T>]?: Wanted<At<T, P>> } & { [P in `${Dotted<T>}.${string}`]?: unknown };
type At<T, P> = P extends `${infer K}.${infer F}` ? (K extends keyof T ? InsideAt<Inside<T[K]>, F> : unknown) : unknown;
type InsideAt<E, F> = F extends keyof E ? E[F] : unknown;

interface Combined<T> {
  $and?: readonly Filter<T>[];
  $or?: readonly Filter<T>[];
  $nor?: readonly Filter<T>[];
  /** Words, for a collection with a text index. */
  $search?: string;
}

type Filter<T> = Open<T> extends true ? { readonly [path: string]: unknown } : Typed<T> & Combined<T>;

/** A filter with the operators of MongoDB. With several fields, a document must match all of them. */
export type Where<C extends CollectionTypes> = Filter<Readable<C>>;

/**
 * A filter that is not a query. A field `where` of a document is compared with an operator: `{ where: { $eq: … } }`.
 */
export interface NoQuery {
  where?: Scalar | Condition<unknown>;
}

/** The name of a field to sort by; a leading `-` sorts in descending order. */
export type Sort<C extends CollectionTypes> = Path<Readable<C>> | `-${Path<Readable<C>>}`;

/** A query as a plain object. The client sends it as the body of the request. */
export interface Query<C extends CollectionTypes, S extends string = string> {
  where?: Where<C> | undefined;
  sort?: readonly Sort<C>[] | undefined;
  /** The size of a page: 20 by default, at most 500. */
  limit?: number | undefined;
  cursor?: string | null | undefined;
  select?: readonly (S & Path<Readable<C>>)[] | undefined;
  count?: boolean | undefined;
  expand?: readonly Reference<C>[] | undefined;
  /** Adds `_score` to the documents that `$search` has found. */
  score?: boolean | undefined;
  highlight?: { fields: readonly string[]; before?: string; after?: string; length?: number } | undefined;
}

/** One page. `next` is the cursor of the next page, or null after the last page. */
export interface Page<T> {
  items: T[];
  next: string | null;
  /** The number of all documents that match, if the query asked for it. */
  count?: number;
  /** True if `count` is an estimate, because the exact number would exceed the budget of a query. */
  count_is_estimate?: true;
}

/** A document of a page. With `select`, the document has only the named fields. */
export type Found<C extends CollectionTypes, S extends string> = [S] extends [never]
  ? Doc<C>
  : Pick<Doc<C>, keyof Doc<C> & (Head<S> | "_id")>;
type Head<S extends string> = S extends `${infer K}.${string}` ? K : S;

export interface Aggregate<C extends CollectionTypes> {
  where?: Where<C> | undefined;
  group?: readonly (Path<Readable<C>> | GroupPart<C>)[] | undefined;
  values: { readonly [name: string]: AggregatedValue<C> };
  /** Names of `group` and `values`; `-` in front means descending order. */
  sort?: readonly string[] | undefined;
  /** The maximum number of groups. Without `limit`, the result has all groups. */
  limit?: number | undefined;
}
/**
 * Groups documents by the elements of an array, or by the start of a unit of time in a time zone. `as`: the name in the
 * answer.
 */
type GroupPart<C extends CollectionTypes> =
  | { $each: Path<Readable<C>>; as?: string }
  | {
      $dateTrunc: {
        field: Path<Readable<C>>;
        unit: "year" | "quarter" | "month" | "week" | "day" | "hour" | "minute";
        timezone?: string;
      };
      as?: string;
    };
type InOrder<C extends CollectionTypes> = { field: Path<Readable<C>>; sort?: readonly string[] };
type AggregatedValue<C extends CollectionTypes> =
  | { $count: true }
  | { [O in "$sum" | "$avg" | "$min" | "$max" | "$countDistinct"]: { [K in O]: Path<Readable<C>> } }["$sum" | "$avg" | "$min" | "$max" | "$countDistinct"]
  | { $first: Path<Readable<C>> | InOrder<C> }
  | { $last: Path<Readable<C>> | InOrder<C> }
  | { $push: Path<Readable<C>> | (InOrder<C> & { limit?: number }) };

type Merged<V> = unknown extends V ? V : [V] extends [Scalar | readonly unknown[]] ? V | RemovedBy<V> : Merge<NonNullable<V>> | RemovedBy<V>;
type RemovedBy<V> = undefined extends V ? null : never;
type Merge<T> = Open<T> extends true ? { readonly [field: string]: unknown } : { [K in keyof T]?: Merged<T[K]> };

/** A merge patch (RFC 7396): null removes a field, so only optional fields take it. To store null, use `$set`. */
export type Patch<C extends CollectionTypes> = Merge<C["write"]>;

type Numbers<T> =
  Open<T> extends true
    ? { [path: string]: number | bigint }
    : { [K in keyof T as T[K] extends number | bigint | null | undefined ? K : never]?: number | bigint };
type Added<T> =
  Open<T> extends true
    ? { [path: string]: unknown }
    : { [K in ListIn<T>]?: Item<NonNullable<T[K]>> | { $each: readonly Item<NonNullable<T[K]>>[] } };
type Pushed<T> =
  Open<T> extends true
    ? { [path: string]: unknown }
    : { [K in ListIn<T>]?: Item<NonNullable<T[K]>> | ({ $each: readonly Item<NonNullable<T[K]>>[] } & Modifiers) };
interface Modifiers {
  $position?: number;
  $slice?: number;
  $sort?: 1 | -1 | { [path: string]: 1 | -1 };
}
type Bits<T> =
  Open<T> extends true
    ? { [path: string]: BitSteps }
    : { [K in keyof T as T[K] extends number | bigint | null | undefined ? K : never]?: BitSteps };
interface BitSteps {
  and?: number | bigint;
  or?: number | bigint;
  xor?: number | bigint;
}
type Ends<T> = Open<T> extends true ? { [path: string]: 1 | -1 } : { [K in ListIn<T>]?: 1 | -1 };
type Unwanted<T> = Open<T> extends true ? { [path: string]: readonly unknown[] } : { [K in ListIn<T>]?: readonly Item<NonNullable<T[K]>>[] };
type ListIn<T> = keyof { [K in keyof T as T[K] extends readonly unknown[] | null | undefined ? K : never]: 1 } & keyof T;
type Deep = { [path: `${string}.${string}`]: unknown };
type Values<T> = Open<T> extends true ? { [path: string]: unknown } : { [K in keyof T]?: T[K] | null };

// A call takes `Patch<C> & Update<C>`. With a union of them, the compiler would compute all fields of the patch at each call:
// 65,000 more steps for 200 collections. Neither type refuses a mix of fields and operators; the server refuses it.
/**
 * Update operators. Write the path of a nested field with dots: `{ $set: { "author.name": "Ada" } }`. In a path, `$[]`
 * means every element of an array, and `$[x]` means the elements that the filter of `x` in `arrayFilters` finds.
 */
export interface Update<C extends CollectionTypes> {
  $set?: Values<C["write"]> & Deep;
  $unset?: { [P in Path<C["write"]>]?: true | "" | 1 } & Deep;
  $inc?: Numbers<C["write"]> & Deep;
  $mul?: Numbers<C["write"]> & Deep;
  $min?: Values<C["write"]> & Deep;
  $max?: Values<C["write"]> & Deep;
  $push?: Pushed<C["write"]> & Deep;
  $addToSet?: Added<C["write"]> & Deep;
  $pull?: { [P in Path<C["write"]>]?: unknown } & Deep;
  $now?: { [P in Path<C["write"]>]?: true } & Deep;
  $currentDate?: { [P in Path<C["write"]>]?: true | { $type: "date" } } & Deep;
  $rename?: { [P in Path<C["write"]>]?: string } & Deep;
  $bit?: Bits<C["write"]> & Deep;
  /** Removes the last element (1) or the first element (-1). */
  $pop?: Ends<C["write"]> & Deep;
  $pullAll?: Unwanted<C["write"]> & Deep;
  /** Has no effect, because a patch never creates a document. */
  $setOnInsert?: Values<C["write"]> & Deep;
  arrayFilters?: readonly { readonly [path: string]: unknown }[];
}

/**
 * Conditions of a write. `ifRev`: the stored document must have this revision. `ifAbsent`: no document with this id may
 * exist.
 */
export interface WriteOptions extends WriteCall {
  ifRev?: number | undefined;
  ifAbsent?: boolean | undefined;
}

export interface GetOptions<C extends CollectionTypes> extends Call {
  expand?: readonly Reference<C>[] | undefined;
}

/**
 * One write of a commit. `ifRev` is the revision that the stored document must have; 0 means that no document may
 * exist. `check` only checks the condition and writes nothing.
 */
export type Write<D extends Schema<D>> = { [N in keyof D & string]: WriteTo<N, D[N]> }[keyof D & string];

type WriteTo<N extends string, C extends CollectionTypes> =
  | { op: "create"; collection: N; data: Insert<C> }
  | { op: "put"; collection: N; id: string; data: Insert<C>; ifRev?: number }
  | { op: "patch"; collection: N; id: string; data: Patch<C> & Update<C>; ifRev?: number }
  | { op: "delete"; collection: N; id: string; ifRev?: number }
  | { op: "check"; collection: N; id: string; ifRev: number };

export interface Committed {
  seq: number;
  results: { id: string; rev: number }[];
}
