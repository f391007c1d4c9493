/** The changes of documents, in the order in which they happened. */

import { type Connection, search } from "./connection.js";
import { type FollowCall, Patience } from "./patience.js";

/**
 * `rev`: the new revision, or the last revision of a deleted document. `depth`: the number of chained function runs
 * that led to the change.
 */
export interface Change {
  /** The number of the change. There are no gaps. */
  seq: number;
  op: "create" | "update" | "delete";
  collection: string;
  id: string;
  rev: number;
  at: string;
  depth?: number;
  /** The document before an update or delete, if the collection has `before_images` and the image is still kept. */
  before?: Readonly<Record<string, unknown>>;
}

export interface ChangesOptions extends FollowCall {
  /** The `seq` of the last change that you have read. The default is 0: all changes. */
  since?: number | undefined;
  /** If true, the loop waits for new changes until you leave it or abort the signal. */
  follow?: boolean | undefined;
}

const PAGE = 500;
const WAIT_SECONDS = 25;
const ANSWER_MS = 30_000;

/** @internal */
export async function* changesOf(
  connection: Connection,
  { since = 0, follow = false, patienceMs, ...call }: ChangesOptions,
): AsyncGenerator<Change, void, void> {
  const patience = new Patience({ ...call, patienceMs });
  const waiting = follow ? { timeoutMs: WAIT_SECONDS * 1000 + ANSWER_MS, ...call } : call;
  for (;;) {
    let page;
    try {
      const query = { since, limit: PAGE, wait_seconds: follow ? WAIT_SECONDS : undefined };
      page = await connection.read<{ items: Change[]; next: number }>(`/v1/changes${search(query)}`, waiting);
    } catch (problem) {
      if (!follow) throw problem;
      await patience.after(problem);
      continue;
    }
    patience.answered();
    yield* page.items;
    if (!follow && !page.items.length) return;
    since = page.next;
  }
}
