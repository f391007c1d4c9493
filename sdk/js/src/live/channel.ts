/** Channels: messages that are not documents, and the list of present members. */

import { checkWhole } from "../json.js";
import { invalidValue, type Problem } from "../problem.js";
import { needFunction, noOthers } from "./feed.js";
import type { ChannelMessage, Member, Since } from "./protocol.js";
import type { Rooms } from "./rooms.js";

export interface ChannelListener {
  message?(message: ChannelMessage): unknown;
  /**
   * The client calls this function with the connections that have entered. If the channel has more than 500
   * connections, the list is empty, and only `count` is known.
   */
  members?(members: readonly Member[], count: number): unknown;
  /**
   * The client calls this function if messages were lost, because the channel does not keep messages for long enough.
   */
  lost?(): unknown;
  /**
   * The client calls this function if the server has refused or ended the channel, for example with `rule_denied`. The
   * client does not join the channel again until you call `join`.
   */
  problem?(problem: Problem): unknown;
}

export interface JoinOptions {
  /**
   * By default, the listener gets messages from now on. With `"start"`, the listener also gets all messages that the
   * channel keeps; with a position, it gets the messages after this position.
   */
  since?: Since | undefined;
  /** The value with which this client enters the list of members. */
  presence?: unknown;
  signal?: AbortSignal | undefined;
}

export interface PublishOptions {
  /** If false, this client does not get its own message back. */
  echo?: boolean | undefined;
  timeoutMs?: number | undefined;
}

const HEARD = ["message", "members", "lost", "problem"] as const;

export class Channel {
  readonly name: string;
  /** @internal */
  readonly rooms: Rooms;

  /** @internal */
  constructor(name: string, rooms: Rooms) {
    if (typeof name !== "string" || !name) throw invalidValue("channel", "Use the name of a channel, such as rooms/7.");
    checkWhole("channel", name);
    this.name = name;
    this.rooms = rooms;
  }

  /**
   * Listens to the channel. Returns a function that removes the listener. After a lost connection, the listener gets
   * all missed messages that the channel still keeps. `lost` is called if some messages are no longer kept. If the
   * channel has ended, the client joins it again, for all listeners.
   *
   * ```ts
   * const leave = live.channel("rooms/7").join({ message: ({ data }) => console.log(data) }, { presence: { name: "Ada" } });
   * ```
   */
  join(listener: ChannelListener, { since, presence, signal, ...others }: JoinOptions = {}): () => void {
    if (!listener || typeof listener !== "object") throw invalidValue("listener", "Pass an object, such as { message }.");
    for (const [name, call] of Object.entries(listener)) {
      if (!HEARD.includes(name as "lost")) throw invalidValue(name, "No such option.");
      if (call !== undefined) needFunction(name, call);
    }
    noOthers(others);
    return this.rooms.join(this.name, listener, { since, presence, signal });
  }

  /**
   * Publishes a message. Resolves with the number of the message when the server has accepted the message. If the
   * connection breaks, the client sends the message again, and the server publishes it only once.
   *
   * ```ts
   * await live.channel("rooms/7").publish({ text: "Hello" });
   * ```
   */
  async publish(data: unknown, { echo = true, timeoutMs, ...others }: PublishOptions = {}): Promise<number | undefined> {
    noOthers(others);
    return this.rooms.feed.publish(this.name, data, echo, timeoutMs);
  }

  /**
   * Changes the value that others see in the list of members. Join the channel first.
   *
   * ```ts
   * await live.channel("rooms/7").setPresence({ name: "Ada", typing: true });
   * ```
   */
  setPresence(data: unknown): Promise<void> {
    return this.rooms.setPresence(this.name, data);
  }
}
