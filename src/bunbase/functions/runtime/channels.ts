/** `ctx.channels`: sends messages to the host. */

import type { Channels, NewMessage, Published } from "./context.ts";
import { type AskBytes, type Power, textOf } from "./data.ts";
import { decodeText, encodeText } from "./frames.ts";

export function channelsOf(ask: AskBytes, as: Power): Channels {
  const publishAll = async (messages: readonly NewMessage[]): Promise<readonly Published[]> => {
    for (const { data } of messages) textOf(data); // JSON would leave out a symbol or a function.
    const bytes = await ask("channels.publish", { as }, encodeText(textOf(messages)));
    return JSON.parse(decodeText(bytes)) as readonly Published[];
  };
  return Object.freeze({
    publish: async (channel: string, data: unknown, options: Readonly<{ key?: string }> = {}) =>
      (await publishAll([{ channel, data, ...options }]))[0] as Published,
    publishAll,
  });
}
