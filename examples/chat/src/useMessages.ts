import { useLive } from "bunbase-js/react";
import { useState } from "react";

import { client, messages } from "./client.ts";
import type { Message } from "./database.ts";
import { notify } from "./notice.ts";

const PAGE = 50;
const byTime = ["-_created"] as const;

/**
 * The newest messages of a room as a live result, and pages of older messages, which are not live. `since` is the
 * border between them, and stays fixed when there are older pages. Otherwise a new message would push another message
 * out of the live result, and no page would contain this message.
 */
export function useMessages(room: string) {
  const [since, setSince] = useState<string>();
  const [older, setOlder] = useState<Message[]>([]);
  const [next, setNext] = useState<string | null>();
  const { items, problem } = useLive(messages, {
    where: since ? { room, _created: { $gte: since } } : { room },
    sort: byTime,
    limit: since ? 500 : PAGE,
  });
  const load = async () => {
    const border = since ?? items.at(-1)!._created;
    const page = await client.data.collection("messages").query({
      where: { room, _created: { $lt: border } },
      sort: byTime,
      limit: PAGE,
      ...(next && { cursor: next }),
    });
    setSince(border);
    setOlder((before) => [...before, ...page.items]);
    setNext(page.next);
  };
  const more = since ? next !== null : items.length === PAGE;
  return { items, older, problem, loadOlder: more ? () => void load().catch(notify) : null };
}
