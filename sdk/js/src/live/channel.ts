/** Channels: messages that are no documents, and the list of those who are there. */

import { invalidValue, Problem, type ProblemBody } from "../problem.js";
import { type Feed, guarded, type JoinListener } from "./feed.js";
import type { Join } from "./machine.js";
import type { ChannelMessage, Member, Since } from "./protocol.js";

export interface ChannelListener {
  message?(message: ChannelMessage): unknown;
  /** The connections that have entered. Above 500 of them, the list is empty, and only `count` is known. */
  members?(members: readonly Member[], count: number): unknown;
  /** Messages were lost, because the channel does not keep them for so long. */
  lost?(): unknown;
  /** The channel has ended, for example with `rule_denied`. */
  problem?(problem: Problem): unknown;
}

export interface JoinOptions {
  /** Without it, messages from now on. `"start"`: all that the channel keeps. Else those after this message. */
  since?: Since | undefined;
  /** Enters the list of members, with this value. */
  presence?: unknown;
  signal?: AbortSignal | undefined;
}

export interface PublishOptions {
  /** False: this client does not get its own message. */
  echo?: boolean | undefined;
  timeoutMs?: number | undefined;
}

export class Channel {
  readonly name: string;
  readonly #rooms: Rooms;

  /** @internal */
  constructor(name: string, rooms: Rooms) {
    if (typeof name !== "string" || !name) throw invalidValue("channel", "Use the name of a channel, such as rooms/7.");
    this.name = name;
    this.#rooms = rooms;
  }

  /**
   * Listens to the channel. Returns a function that ends this. After a lost connection, the messages that the channel
   * still keeps follow; `lost` is called if it does not keep all of them.
   *
   * ```ts
   * const leave = live.channel("rooms/7").join({ message: ({ data }) => console.log(data) }, { presence: { name: "Ada" } });
   * ```
   */
  join(listener: ChannelListener, options: JoinOptions = {}): () => void {
    return this.#rooms.join(this.name, listener, options);
  }

  /**
   * Publishes a message. Resolves with its number when the server has it. It is sent again if the connection breaks, and
   * arrives once.
   *
   * ```ts
   * await live.channel("rooms/7").publish({ text: "Hello" });
   * ```
   */
  async publish(data: unknown, { echo = true, timeoutMs }: PublishOptions = {}): Promise<number | undefined> {
    return this.#rooms.feed.publish(this.name, data, echo, timeoutMs);
  }

  /**
   * Changes the value that others see in the list of members. The channel must be joined.
   *
   * ```ts
   * await live.channel("rooms/7").setPresence({ name: "Ada", typing: true });
   * ```
   */
  setPresence(data: unknown): Promise<void> {
    return this.#rooms.setPresence(this.name, data);
  }
}

/** The channels that a client has joined, each once. @internal */
export class Rooms {
  readonly #rooms = new Map<string, Room>();

  constructor(readonly feed: Feed) {}

  join(name: string, listener: ChannelListener, { since, presence, signal }: JoinOptions): () => void {
    if (signal?.aborted) return () => {};
    let room = this.#rooms.get(name);
    if (!room) this.#rooms.set(name, (room = new Room(this.feed, name, since, presence)));
    else if (presence !== undefined) void room.setPresence(presence).catch((problem: Problem) => listener.problem?.(problem));
    const leave = room.listen(listener);
    const stop = () => {
      signal?.removeEventListener("abort", stop);
      if (leave() || this.#rooms.get(name) !== room) return;
      this.#rooms.delete(name);
      this.feed.leave(room.join);
    };
    signal?.addEventListener("abort", stop);
    return stop;
  }

  async setPresence(name: string, data: unknown): Promise<void> {
    const room = this.#rooms.get(name);
    if (!room) throw invalidValue("channel", `Join ${name} first.`);
    await room.setPresence(data);
  }
}

class Room implements JoinListener {
  readonly join: Join;
  readonly #listeners = new Set<ChannelListener>();

  constructor(
    readonly feed: Feed,
    name: string,
    since: Since | undefined,
    presence: unknown,
  ) {
    this.join = feed.join(name, this, since, presence);
  }

  /** Returns a function that ends this. It returns the number of listeners that are left. */
  listen(listener: ChannelListener): () => number {
    const own = { ...listener };
    this.#listeners.add(own);
    if (this.join.fresh) queueMicrotask(() => this.#listeners.has(own) && this.#tellMembers(own));
    return () => {
      this.#listeners.delete(own);
      return this.#listeners.size;
    };
  }

  setPresence(data: unknown): Promise<void> {
    return this.feed.setPresence(this.join, data);
  }

  messages(messages: readonly ChannelMessage[], lost: boolean): void {
    for (const listener of [...this.#listeners]) {
      if (lost) guarded(() => listener.lost?.());
      for (const message of messages) guarded(() => listener.message?.(message));
    }
  }

  members(): void {
    for (const listener of [...this.#listeners]) this.#tellMembers(listener);
  }

  ended(problem: ProblemBody): void {
    for (const listener of [...this.#listeners]) guarded(() => listener.problem?.(new Problem(problem)));
  }

  #tellMembers(listener: ChannelListener): void {
    guarded(() => listener.members?.([...this.join.members.values()], this.join.n));
  }
}
