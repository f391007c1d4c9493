/** Channels: `ctx.channels`. */

/**
 * A message for a channel. `data`: any JSON of at most 32 KiB. `key`: for two minutes, a message with the same key is
 * not published again.
 */
export type NewMessage = Readonly<{ channel: string; data: unknown; key?: string }>;

/**
 * The position of a message in its channel. `offset` is 0 if nobody listens to the channel and the channel keeps no
 * messages.
 */
export type Published = Readonly<{ channel: string; epoch: string; offset: number }>;

/**
 * Sends messages to everybody who has joined a channel. Methods throw a Problem such as `message_too_large` or
 * `publish_limited`.
 */
export type Channels = Readonly<{
  publish(channel: string, data: unknown, options?: Readonly<{ key?: string }>): Promise<Published>;
  /** Publishes 1 to 100 messages: either all or none. */
  publishAll(messages: readonly NewMessage[]): Promise<readonly Published[]>;
}>;
