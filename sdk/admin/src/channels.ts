/** Channels: their definitions, and messages to everybody who has joined. */

import type { Call, WriteCall } from "bunbase-js";
import { randomText } from "bunbase-js/internal";
import type { Connection } from "./connection.js";

/**
 * The sources of the rules, in CEL. If a rule is missing, only servers and members of the project may perform its
 * action.
 */
export interface ChannelRules {
  subscribe?: string | null;
  publish?: string | null;
  presence?: string | null;
}

/**
 * The channels of one pattern. `history`: the channel keeps at most `messages` messages, each for `seconds` seconds.
 * `presence`: the channels have a list of members.
 */
export interface ChannelSpec {
  rules?: ChannelRules;
  history?: { messages?: number; seconds?: number } | null;
  presence?: boolean;
}

/**
 * `data`: any JSON of at most 32 KiB. `key`: for two minutes, the server does not publish a message with the same key
 * again.
 */
export interface ChannelMessage {
  channel: string;
  data: unknown;
  key?: string;
}

/** The place of a message. `offset` is 0 if nobody listens to the channel and the channel keeps no messages. */
export interface Published {
  channel: string;
  epoch: string;
  offset: number;
}

export class Channels {
  readonly #connection: Connection;

  /** @internal */
  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /**
   * Returns the definitions of all channels, by pattern.
   *
   * ```ts
   * const rooms = (await admin.channels.get())["rooms/{room}"];
   * ```
   */
  async get(call?: Call): Promise<Record<string, ChannelSpec>> {
    return (await this.#connection.read<{ channels: Record<string, ChannelSpec> }>("/v1/channels", call)).channels;
  }

  /**
   * Replaces the definitions of all channels. Connections that the new rules deny leave their channels at once.
   *
   * ```ts
   * await admin.channels.put({ "rooms/{room}": { rules: { subscribe: "auth != null" }, presence: true } });
   * ```
   */
  async put(channels: Readonly<Record<string, ChannelSpec>>, call?: Call): Promise<Record<string, ChannelSpec>> {
    const wanted = { method: "PUT", path: "/v1/channels", body: { channels }, repeatable: true };
    return (await this.#connection.send<{ channels: Record<string, ChannelSpec> }>(wanted, call)).channels;
  }

  /**
   * Publishes 1 to 100 messages, or none of them if one is refused. A retry after a lost response publishes nothing
   * twice.
   *
   * ```ts
   * await admin.channels.publish({ channel: "rooms/7", data: { text: "hello" } });
   * ```
   */
  async publish(messages: ChannelMessage | readonly ChannelMessage[], options: WriteCall = {}): Promise<Published[]> {
    const { idempotencyKey = randomText(), ...call } = options;
    const body = { messages: Array.isArray(messages) ? messages : [messages] };
    const headers = { "Idempotency-Key": idempotencyKey };
    const wanted = { method: "POST", path: "/v1/channels/publish", body, headers, repeatable: true };
    return (await this.#connection.send<{ items: Published[] }>(wanted, call)).items;
  }
}
