/** A database as `bunbase gen types` writes it. */

export type Id<Collection extends string> = string & { readonly __collection?: Collection };

export interface Post {
  readonly _id: Id<"posts">;
  readonly _rev: number;
  readonly _created: string;
  readonly _updated: string;
  title: string;
  draft: boolean;
  likes: number;
  views: number | bigint;
  tags?: string[];
  author: Id<"users">;
  state: "new" | "done";
  place?: { city: string; zip?: string };
}

export interface NewPost {
  _id?: string;
  title: string;
  draft: boolean;
  likes: number;
  views: number | bigint;
  tags?: string[];
  author: Id<"users">;
  state: "new" | "done";
  place?: { city: string; zip?: string };
}

export interface User {
  readonly _id: Id<"users">;
  readonly _rev: number;
  readonly _created: string;
  readonly _updated: string;
  name: string;
}

export interface NewUser {
  _id?: string;
  name: string;
}

export interface Database {
  posts: { read: Post; write: NewPost; refs: { author: "users" } };
  users: { read: User; write: NewUser; refs: {} };
}
