/** The live part of a client: queries that follow their results, channels, and writes that show at once. */

import type { Collection } from "../data/collection.js";
import type { Data } from "../data/data.js";
import type { AnyDatabase, CollectionTypes, Schema } from "../data/types.js";
import { invalidValue, type Problem } from "../problem.js";
import type { LiveCache } from "./cache.js";
import { Channel } from "./channel.js";
import { LiveCollection } from "./collection.js";
import { Feed, type LiveState, needFunction, noOthers, type StateListener } from "./feed.js";
import type { TransportName } from "./links.js";
import { Outbox, type RefusedListener } from "./outbox.js";
import type { Stuck } from "./refusals.js";
import { Rooms } from "./rooms.js";
import { Views } from "./views.js";

export interface LiveOptions {
  /** The cache that keeps results and waiting writes between visits. By default, the client keeps results and writes in memory. */
  cache?: LiveCache | undefined;
  /**
   * The client calls this function with each refused write, even if the write is from an earlier visit. With this
   * listener, you do not have to wait for the promises of writes.
   */
  onRefused?: RefusedListener | undefined;
  /**
   * By default `globalThis.WebSocket`. Node 20 has no WebSocket, so the client uses a stream of events, unless you pass
   * the WebSocket of a package.
   */
  WebSocket?: typeof WebSocket | undefined;
  /** If false, this tab has its own connection. By default, all tabs of a user share one connection. */
  tabs?: boolean | undefined;
  /** The transports, the best one first: by default `["socket", "sse", "poll"]`. */
  transports?: readonly TransportName[] | undefined;
}

export class Live<D extends Schema<D> = AnyDatabase> {
  readonly #feed: Feed;
  readonly #views: Views;
  readonly #outbox: Outbox;
  readonly #rooms: Rooms;

  /** @internal */
  constructor({ data }: { readonly data: Data<D> }, { cache, onRefused, tabs = true, transports = ["socket", "sse", "poll"], WebSocket = globalThis.WebSocket, ...others }: LiveOptions) {
    noOthers(others);
    const collection = (name: string) => data.collection(name as keyof D & string) as unknown as Collection<CollectionTypes>;
    const { transport } = collection("-").requests;
    const { fetch, headers } = transport.options;
    const target = {
      origin: transport.origin,
      headers: { ...headers, "X-Bunbase-Key": transport.key },
      fetch: ((...given) => (fetch ?? globalThis.fetch)(...given)) as typeof globalThis.fetch,
      WebSocket: WebSocket as typeof WebSocket | undefined,
    };
    // a client with its own transports may use a different server than the other tabs
    const shares = tabs && !fetch && WebSocket === globalThis.WebSocket && "document" in globalThis && Boolean(navigator.locks && globalThis.BroadcastChannel);
    const usable = transports.filter((name) => name !== "socket" || target.WebSocket);
    if (!usable.length) throw invalidValue("transports", "This runtime has no WebSocket. Pass one, or allow other transports.");
    this.#feed = new Feed(transport, target, usable, shares);
    this.#views = new Views(this.#feed, () => this.#outbox, cache);
    const [changed, kept] = [(name: string) => this.#views.refresh(name), (name: string) => this.#views.kept(name)];
    this.#outbox = new Outbox(this.#feed, collection, cache, onRefused, changed, kept);
    this.#rooms = new Rooms(this.#feed);
  }

  /**
   * Returns a collection. The call sends no request.
   *
   * ```ts
   * const posts = live.collection("posts");
   * ```
   */
  collection<N extends keyof D & string>(name: N): LiveCollection<D[N]> {
    return new LiveCollection(name, this.#views, this.#outbox);
  }

  /**
   * Returns a channel. The call sends no request.
   *
   * ```ts
   * const room = live.channel("rooms/7");
   * ```
   */
  channel(name: string): Channel {
    return new Channel(name, this.#rooms);
  }

  /**
   * `live`: all results are up to date. `behind`: newer results are on their way; this is also the state before the
   * first connection.
   * `offline`: the connection was lost, or cannot be made; the client connects again automatically.
   *
   * ```ts
   * console.log(live.state === "offline" ? "You are offline." : "");
   * ```
   */
  get state(): LiveState {
    return this.#feed.state;
  }

  /**
   * The last reason why the client cannot connect, if the server has given a reason. The code is `hook_failed` if the
   * app's function for `before_token` fails. The value is undefined while there is a connection, and while there is no
   * network.
   *
   * ```ts
   * if (live.problem) console.log(`You cannot connect: ${live.problem.message}`);
   * ```
   */
  get problem(): Problem | undefined {
    return this.#feed.problem;
  }

  /**
   * Calls `listener` whenever the state changes, and with each further `problem`. Returns a function that removes the
   * listener.
   *
   * ```ts
   * const stop = live.onState((state, problem) => console.log(state, problem?.code ?? ""));
   * ```
   */
  onState(listener: StateListener): () => void {
    needFunction("listener", listener);
    return this.#feed.onState(listener);
  }

  /**
   * The number of writes that the server has not accepted yet.
   *
   * ```ts
   * if (live.waiting) console.log("Saving …");
   * ```
   */
  get waiting(): number {
    return this.#outbox.waiting;
  }

  /**
   * The first waiting write and its problem, if at least two attempts to send the write have failed and the server has
   * not refused it. Otherwise undefined. All later writes wait for this write. The client sends the write again
   * automatically, but stops if the write itself causes the error.
   *
   * ```ts
   * if (live.stuck) console.log(`Not saved yet: ${live.stuck.problem.message}`);
   * ```
   */
  get stuck(): Stuck | undefined {
    return this.#outbox.stuck;
  }

  /**
   * Calls `listener` after each failed attempt to send a stuck write, and with undefined when the write was accepted or
   * refused. Returns a function that removes the listener.
   *
   * ```ts
   * const stop = live.onStuck((stuck) => console.log(stuck ? `Not saved yet: ${stuck.problem.message}` : "Saved."));
   * ```
   */
  onStuck(listener: (stuck: Stuck | undefined) => unknown): () => void {
    needFunction("listener", listener);
    return this.#outbox.onStuck(listener);
  }

  /**
   * Ends the connection, all watches and all channels. If there is a cache, waiting writes stay in the cache for the
   * next visit. After `close`, every watch, write, message and presence fails with `aborted`.
   *
   * ```ts
   * live.close();
   * ```
   */
  close(): void {
    this.#views.close();
    this.#outbox.close();
    this.#feed.close();
  }
}
