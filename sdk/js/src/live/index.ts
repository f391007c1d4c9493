/**
 * Live queries and channels: results that follow their changes, over one connection.
 *
 * ```ts
 * import { createLive } from "bunbase-js/live";
 *
 * const live = createLive(client);
 * const stop = live.collection("posts").watch({ sort: ["-_created"], limit: 50 }, ({ items }) => console.log(items.length));
 * ```
 */

import type { Data } from "../data/data.js";
import type { AnyDatabase, Schema } from "../data/types.js";
import { Live, type LiveOptions } from "./live.js";

export { Problem } from "../problem.js";
export type { ProblemCode } from "../problem_codes.js";
export { indexedDBCache, type LiveCache } from "./cache.js";
export type { Channel, ChannelListener, JoinOptions, PublishOptions } from "./channel.js";
export type { LiveCollection, LiveOne, LiveQuery, LocalWriteOptions, WatchOptions } from "./collection.js";
export type { LiveState, StateListener } from "./feed.js";
export type { TransportName } from "./links.js";
export type { Live, LiveOptions } from "./live.js";
export type { RefusedListener } from "./outbox.js";
export type { ChannelMessage, Changes, LiveDocument, Member, Since } from "./protocol.js";
export type { Stuck } from "./refusals.js";
export type { LiveResult } from "./views.js";

/**
 * Makes the live part of a client. The live part uses the client's address, key and signed-in user. The client sends
 * nothing before the first watch.
 *
 * ```ts
 * const live = createLive(client);
 * ```
 */
export function createLive<D extends Schema<D> = AnyDatabase>(client: { readonly data: Data<D> }, options: LiveOptions = {}): Live<D> {
  return new Live<D>(client, options);
}
