/** The channels that a client has joined. The client joins each channel once, for all its listeners. */

import { readJson, writeJson } from "../json.js";
import { invalidValue, Problem, type ProblemBody } from "../problem.js";
import type { ChannelListener, JoinOptions } from "./channel.js";
import { checkedSize, type Feed, guarded, type JoinListener } from "./feed.js";
import type { Join } from "./machine.js";
import type { ChannelMessage, Since } from "./protocol.js";

/** @internal */
export class Rooms {
  readonly #rooms = new Map<string, Room>();

  constructor(readonly feed: Feed) {}

  join(name: string, listener: ChannelListener, { since, presence, signal }: JoinOptions): () => void {
    this.feed.checkOpen();
    if (signal?.aborted) return () => {};
    let room = this.#rooms.get(name);
    if (!room) this.#rooms.set(name, (room = new Room(this.feed, name, since, sendable(presence))));
    else if (presence !== undefined) void room.setPresence(presence).catch((problem: Problem) => listener.problem?.(problem));
    const leave = room.listen(listener);
    this.feed.again(room.join);
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
    this.feed.checkOpen();
    const room = this.#rooms.get(name);
    if (!room) throw invalidValue("channel", `Join ${name} first.`);
    await room.setPresence(data);
  }
}

/**
 * Returns a copy of a value, so that later changes of the value do not change the message that waits for a connection.
 * Throws a Problem `invalid_value`.
 */
function sendable(presence: unknown): unknown {
  return presence === undefined ? undefined : readJson(checkedSize("presence", writeJson(presence)));
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

  /** Adds a listener. Returns a function that removes the listener and returns the number of remaining listeners. */
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
