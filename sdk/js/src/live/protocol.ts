/** The messages of docs/live-protocol.md. `Sent` goes to the server, `Received` comes from it. */

import type { ProblemBody } from "../problem.js";

/** A document as the server sent it. With `select`, `_rev` may be missing. */
export type LiveDocument = { readonly _id: string; readonly _rev?: number | bigint; readonly [field: string]: unknown };

/** The query as it is sent: `query` or `doc` of the message `watch`. */
export type Watched =
  | { readonly query: { readonly collection: string; readonly [member: string]: unknown } }
  | { readonly doc: { readonly collection: string; readonly id: string } };

export interface Resume {
  at?: string;
  g?: string;
  have?: readonly string[];
  /** The reason why the client watches again: a difference was lost (`gap`), or the result was wrong (`check`). */
  why?: "gap" | "check";
}

/** A position in the history of a channel, or `start` for all messages that the channel keeps. */
export type Since = { readonly epoch: string; readonly offset: number } | "start";

export type Sent =
  | { t: "auth"; key?: string; project?: string; explain?: string; token?: string; resume?: string }
  | ({ t: "watch"; id: number } & Watched & Resume)
  | { t: "unwatch" | "leave"; id: number }
  | { t: "sync"; id: number; at: string }
  | { t: "join"; id: number; channel: string; since?: Since; presence?: unknown }
  | { t: "publish"; id: number; channel: string; data: unknown; key: string; echo?: false | undefined }
  | { t: "presence"; id: number; channel: string; data: unknown }
  | { t: "pong" };

/** The changes of a result: first remove `gone` and the ids in `put`, then insert `put` at their indexes. */
export interface Difference {
  gone?: readonly string[];
  put?: readonly (readonly [index: number, document: LiveDocument])[];
  n?: number;
}

export interface ChannelMessage {
  readonly offset: number;
  /** The id of the user who published the message, or null. */
  readonly from: string | null;
  readonly at: string;
  readonly data: unknown;
}

/** One connection in the list of a channel. `m` names the connection; `uid` is the user of the connection, or null. */
export interface Member<P = unknown> {
  readonly m: string;
  readonly uid: string | null;
  readonly data: P;
}

export type Received =
  | { t: "hello"; conn: string; ping?: number; expires_in?: number; limits?: { watches: number; channels: number } }
  | { t: "auth"; why: "expires" | "revoked"; in: number }
  | ({ t: "now"; id: number; g: string; turn: number; at: string; docs?: readonly LiveDocument[]; resumed?: true } & Difference)
  | ({ t: "diff"; g: string; turn: number } & Difference)
  | { t: "at"; at: string }
  | { t: "check"; g: string; turn: number; n: number; h: string }
  | { t: "ok"; id: number; offset?: number }
  | { t: "end"; id: number; problem: ProblemBody }
  | { t: "error"; id: number | null; problem: ProblemBody }
  | { t: "ping"; at?: string }
  | { t: "bye"; code: string; after_ms?: number }
  | { t: "joined"; id: number; c: string; epoch: string; offset: number; messages?: readonly ChannelMessage[]; lost?: boolean; members?: readonly Member[]; n?: number }
  | ({ t: "msg"; c: string } & ChannelMessage)
  | { t: "members"; c: string; members?: readonly Member[]; enter?: readonly Member[]; update?: readonly Member[]; leave?: readonly string[]; n?: number };

/** The changes between two results. A document that has both changed and moved is in both lists. */
export interface Changes<T> {
  readonly added: readonly T[];
  readonly changed: readonly T[];
  readonly removed: readonly T[];
  /** Documents whose position among the remaining documents has changed. */
  readonly moved: readonly T[];
}
