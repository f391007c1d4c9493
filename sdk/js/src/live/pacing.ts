/** Delays messages, so that the server never gets more messages than it allows. */

import type { Link } from "./links.js";
import type { Sent } from "./protocol.js";

/** The limit of messages that are sent at once. The server allows 50 messages a second, and 100 at once. */
const MOST_AT_ONCE = 80;
const EVERY_MS = 25;

/** Returns a link whose messages wait if there are too many. Signs of life, tokens and probes do not wait. @internal */
export function paced(link: Link): Link {
  let queue: Sent[] = [];
  let [allowed, allowedAt] = [MOST_AT_ONCE, 0];
  let timer: ReturnType<typeof setTimeout> | undefined;
  const flush = () => {
    const now = Date.now();
    allowed = Math.min(MOST_AT_ONCE, allowed + Math.max(0, now - allowedAt) / EVERY_MS);
    allowedAt = now;
    const sent = queue.splice(0, Math.floor(allowed));
    allowed -= sent.length;
    if (sent.length) link.send(sent);
    if (!queue.length) return;
    timer ??= setTimeout(() => {
      timer = undefined;
      flush();
    }, EVERY_MS);
  };
  return {
    send(messages, now) {
      const urgent = messages.filter(({ t }) => now || t === "pong" || t === "auth");
      queue.push(...messages.filter((message) => !urgent.includes(message)));
      if (urgent.length) link.send(urgent);
      flush();
    },
    close() {
      clearTimeout(timer);
      queue = [];
      link.close();
    },
  };
}
