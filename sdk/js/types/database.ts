// Written by `python -m tests.sdk_js.database` with the emitter of `bunbase gen types`.

/** The id of a document in another collection. At run time it is a string. */
export type Id<Collection extends string> = string & { readonly __collection?: Collection };

/** The fields that every stored document has. */
export interface StoredDocument<Collection extends string = string> {
  readonly _id: Id<Collection>;
  readonly _rev: number;
  readonly _created: string;
  readonly _updated: string;
}

/** A document of a collection without a schema, as it is read. */
export interface AnyDocument extends StoredDocument {
  [field: string]: any;
}

/** A document of a collection without a schema, as it is written. */
export interface NewAnyDocument {
  _id?: string;
  [field: string]: any;
}

/** The fields of the documents of `posts`. */
export interface PostFields {
  author: Id<"users">;
  draft: boolean;
  extra?: unknown;
  likes: number;
  place?: {
    city: string;
    zip?: string;
  };
  state: "new" | "done";
  stops?: {
    at?: {
      lat?: number;
    };
    name: string;
  }[];
  tags?: string[];
  title: string;
  views: number | bigint;
}

/** A document of `posts`, as it is written. */
export interface NewPost extends PostFields {
  _id?: string;
}

/** A document of `posts`, as it is read. */
export interface Post extends PostFields, StoredDocument<"posts"> {}

/** The fields of the documents of `users`. */
export interface UserFields {
  name: string;
}

/** A document of `users`, as it is written. */
export interface NewUser extends UserFields {
  _id?: string;
}

/** A document of `users`, as it is read. */
export interface User extends UserFields, StoredDocument<"users"> {}

/** A document of `whatever`, which has no schema. */
export type Whatever = AnyDocument;
export type NewWhatever = NewAnyDocument;

/** All collections: what a read returns, what a write takes, and to which collections fields refer. */
export interface Database {
  posts: { read: Post; write: NewPost; refs: { author: "users" } };
  users: { read: User; write: NewUser; refs: {} };
  whatever: { read: Whatever; write: NewWhatever; refs: {} };
}
