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
  /** The paths of references, and the collections that they lead to. */
  refs?: object;
}

/** The constraint of a database. An interface fits too, although it has no index signature. */
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
export type Doc<C extends CollectionTypes> = C["read"] & System & { _expand?: Expanded };

/** The documents that a document refers to, if the call named them as `expand`. */
export type Expanded = { [field: string]: unknown };

/** A path for `expand`: a reference, and further references behind it. */
export type Reference<C extends CollectionTypes> =
  Open<C["read"]> extends true ? string : keyof C["refs"] extends infer R extends string ? R | `${R}.${string}` : never;

/** A document as it is written. `_id` is optional: the server makes one. */
export type Insert<C extends CollectionTypes> = C["write"] & { _id?: string };

type Scalar = string | number | bigint | boolean | null | undefined | Date;
type Item<T> = T extends readonly (infer E)[] ? E : T;
type Open<T> = string extends keyof T ? true : false;
type Fields<T> = keyof T & string;

/** The names of fields, and of the fields inside their objects (`author.name`). */
export type Path<T> = Open<T> extends true ? string : { [K in Fields<T>]: K | `${K}.${Inner<NonNullable<T[K]>>}` }[Fields<T>];
type Inner<V> = Item<V> extends infer E ? (E extends Scalar ? never : Open<E> extends true ? string : `${Fields<E>}${"" | `.${string}`}`) : never;

/** The type of the value at a path. */
export type At<T, P extends string> = P extends keyof T
  ? T[P]
  : P extends `${infer K}.${infer Rest}`
    ? K extends keyof T
      ? Item<NonNullable<T[K]>> extends infer E
        ? Rest extends keyof E
          ? E[Rest]
          : unknown
        : never
      : unknown
    : unknown;

type Loose<V> = V extends string ? V | Date : V extends number ? V | bigint : V;
/** A value of a filter: the value of the field, or of an element of its list. */
type Operand<V> = Loose<NonNullable<V>> | (NonNullable<V> extends readonly (infer E)[] ? Loose<E> : never) | null;

export interface Condition<V> {
  $eq?: Operand<V>;
  $ne?: Operand<V>;
  $gt?: Operand<V>;
  $gte?: Operand<V>;
  $lt?: Operand<V>;
  $lte?: Operand<V>;
  $in?: readonly Operand<V>[];
  $nin?: readonly Operand<V>[];
  $exists?: boolean;
  $not?: Condition<V>;
  $all?: readonly Operand<V>[];
  $size?: number;
  $elemMatch?: object;
  $regex?: string;
  $options?: string;
  $startsWith?: string;
}

interface Combined<T> {
  $and?: readonly Filter<T>[];
  $or?: readonly Filter<T>[];
  $nor?: readonly Filter<T>[];
  /** Words, for a collection with a text index. */
  $search?: string;
}

type Typed<T> = { [P in Path<T>]?: Operand<At<T, P>> | Condition<At<T, P>> };
type Filter<T> = Open<T> extends true ? { readonly [path: string]: unknown } : Typed<T> & Combined<T>;

/** A filter with the operators of MongoDB. Several fields are all of them. */
export type Where<C extends CollectionTypes> = Filter<Readable<C>>;
type Readable<C extends CollectionTypes> = Open<C["read"]> extends true ? C["read"] : C["read"] & System;

/** The name of a field to sort by; a leading `-` sorts in descending order. */
export type Sort<C extends CollectionTypes> = Path<Readable<C>> | `-${Path<Readable<C>>}`;

/** A query is a value: the body of the request, and the console's address. */
export interface Query<C extends CollectionTypes> {
  where?: Where<C> | undefined;
  sort?: readonly Sort<C>[] | undefined;
  /** The size of a page: 20 by default, at most 500. */
  limit?: number | undefined;
  cursor?: string | null | undefined;
  select?: readonly Path<Readable<C>>[] | undefined;
  count?: boolean | undefined;
  expand?: readonly Reference<C>[] | undefined;
  /** Adds `_score` to the documents that `$search` has found. */
  score?: boolean | undefined;
  highlight?: { fields: readonly string[]; before?: string; after?: string; length?: number } | undefined;
}

/** One page. `next` is the cursor of the next page, or null after the last one. */
export interface Page<T> {
  items: T[];
  next: string | null;
  /** The number of all documents that match, if the query asked for it. */
  count?: number;
}

/** A document of a page. With `select`, it has only the named fields. */
export type Found<C extends CollectionTypes, Q> = Q extends { select: readonly (infer S extends string)[] }
  ? Pick<Doc<C>, Extract<keyof Doc<C>, Head<S> | "_id">>
  : Doc<C>;
type Head<S extends string> = S extends `${infer K}.${string}` ? K : S;

export interface Aggregate<C extends CollectionTypes> {
  where?: Where<C> | undefined;
  group?: readonly Path<Readable<C>>[] | undefined;
  values: { readonly [name: string]: AggregatedValue<C> };
}
type AggregatedValue<C extends CollectionTypes> =
  | { $count: true }
  | { [O in "$sum" | "$avg" | "$min" | "$max" | "$countDistinct"]: { [K in O]: Path<Readable<C>> } }["$sum" | "$avg" | "$min" | "$max" | "$countDistinct"];

type OptionalKeys<T> = { [K in keyof T]-?: {} extends Pick<T, K> ? K : never }[keyof T];
type Changed<V> = V extends Scalar | readonly unknown[] ? Loose<V> : V extends object ? Merge<V> : V;
type Merge<T> =
  Open<T> extends true
    ? { readonly [field: string]: unknown }
    : { [K in keyof T as K extends "_id" ? never : K]?: Changed<T[K]> | (K extends OptionalKeys<T> ? null : never) };

/** A merge patch (RFC 7396): null removes a field, so only optional fields take it. To store null, use `$set`. */
export type Patch<C extends CollectionTypes> = Merge<C["write"]>;

type OfKind<T, V> = { [K in Fields<T> as NonNullable<T[K]> extends V ? K : never]: T[K] };
type Numbers<T> = Open<T> extends true ? { [path: string]: number | bigint } : { [K in keyof OfKind<T, number | bigint>]?: number | bigint };
type Added<T> =
  Open<T> extends true
    ? { [path: string]: unknown }
    : { [K in keyof OfKind<T, readonly unknown[]>]?: Item<NonNullable<T[K & keyof T]>> | { $each: readonly Item<NonNullable<T[K & keyof T]>>[] } };
type Pushed<T> =
  Open<T> extends true
    ? { [path: string]: unknown }
    : {
        [K in keyof OfKind<T, readonly unknown[]>]?:
          | Item<NonNullable<T[K & keyof T]>>
          | { $each: readonly Item<NonNullable<T[K & keyof T]>>[]; $position?: number; $slice?: number };
      };
type Deep = { [path: `${string}.${string}`]: unknown };
type Values<T> = Open<T> extends true ? { [path: string]: unknown } : { [K in keyof T]?: Loose<T[K]> | null };

/** Update operators. Deeper paths are written with dots: `{ $set: { "author.name": "Ada" } }`. */
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
}

/** Conditions of a write. `ifRev`: the stored revision must be equal. `ifAbsent`: no document may exist. */
export interface WriteOptions extends WriteCall {
  ifRev?: number | undefined;
  ifAbsent?: boolean | undefined;
}

export interface GetOptions<C extends CollectionTypes> extends Call {
  expand?: readonly Reference<C>[] | undefined;
}

/** One write of a commit. `ifRev` is the stored revision, and 0 means that no document exists. `check` writes nothing. */
export type Write<D extends Schema<D>> = { [N in keyof D & string]: WriteTo<N, D[N]> }[keyof D & string];

type WriteTo<N extends string, C extends CollectionTypes> =
  | { op: "create"; collection: N; data: Insert<C> }
  | { op: "put"; collection: N; id: string; data: Insert<C>; ifRev?: number }
  | { op: "patch"; collection: N; id: string; data: Patch<C> | Update<C>; ifRev?: number }
  | { op: "delete"; collection: N; id: string; ifRev?: number }
  | { op: "check"; collection: N; id: string; ifRev: number };

export interface Committed {
  seq: number;
  results: { id: string; rev: number }[];
}
