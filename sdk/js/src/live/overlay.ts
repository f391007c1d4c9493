/**
 * Local echoes: the result as it will be when the waiting writes have arrived. All functions here are pure.
 *
 * The server's result may contain a sent write before the answer to the write arrives. Then a `$inc` must not count
 * twice. So a document is *frozen* when the client sends a write of it: the client computes the echo from the document
 * as it was then, until the results contain all sent writes of this document. If a write was not sent yet, the client
 * computes its echo from the server's newest document.
 */

import { compared, inner, isObject, matches, member, merged, updated } from "../local.js";
import type { LiveDocument } from "./protocol.js";
import type { Failures } from "./refusals.js";

export interface LocalWrite {
  /** The idempotency key. */
  readonly key: string;
  readonly op: "create" | "put" | "patch" | "delete";
  readonly collection: string;
  readonly id: string;
  readonly data: Readonly<Record<string, unknown>> | undefined;
  readonly conditions: { readonly ifRev?: number | undefined; readonly ifAbsent?: boolean | undefined };
  /** The time when the app made the write, as RFC 3339. */
  readonly at: string;
  /**
   * The user who made the write. The client never sends the write for another user. The member is missing until the
   * storage has returned the user.
   */
  userId?: string | undefined;
  /** True from the first attempt to send the write. */
  sent: boolean;
  /** The failures that the write itself may have caused. */
  failed?: Failures | undefined;
  /** `X-Bunbase-Seq` of the answer. */
  mark?: string | undefined;
}

export interface QueryShape {
  readonly where?: Record<string, unknown>;
  readonly sort?: readonly string[];
  readonly limit?: number;
  readonly select?: readonly string[];
}

type Found = LiveDocument | undefined;
/** The documents as they were when a write of them was sent. */
export type Frozen = Map<string, Found>;

const LOCAL_OPERATORS: readonly string[] = ["$set", "$unset", "$inc"];

/**
 * Returns the result with the writes of its collection. The function changes `frozen`, the frozen documents of this
 * result. `shape` is undefined for one document. `n`: the total, or undefined.
 *
 * @internal
 */
export function overlaid(
  docs: readonly LiveDocument[],
  n: number | undefined,
  writes: readonly LocalWrite[],
  shape: QueryShape | undefined,
  frozen: Frozen,
): { docs: readonly LiveDocument[]; n: number | undefined } {
  const found = new Map(docs.map((document) => [document._id, document]));
  const touched = new Set(writes.map(({ id }) => id));
  const sent = new Set(writes.flatMap((write) => (write.sent ? [write.id] : [])));
  for (const id of frozen.keys()) if (!sent.has(id)) frozen.delete(id);
  for (const id of sent) if (!frozen.has(id)) frozen.set(id, found.get(id));
  const limit = shape?.limit;
  // behind the end of a full window there may be documents that the client does not know
  const full = limit !== undefined && docs.length >= limit;
  let next = docs;
  let total = n;
  for (const id of touched) {
    const [stored, mine] = [found.get(id), writes.filter((write) => write.id === id)];
    const base = frozen.has(id) ? frozen.get(id) : stored;
    const echo = mine.reduce(echoed, base);
    const shown = echo && belongs(echo, base, mine, shape) ? echo : undefined;
    next = replaced(next, id, shown && selected(shown, shape?.select), shape?.sort ?? [], full);
    if (total !== undefined) total += Number(Boolean(shown)) - Number(Boolean(stored));
  }
  return { docs: limit === undefined || next === docs ? next : next.slice(0, limit), n: total };
}

/** Returns the document after a write, or undefined if there is none. */
function echoed(before: Found, { op, id, data = {}, at }: LocalWrite): Found {
  if (op === "delete") return undefined;
  if (op === "patch") return before && patched(before, data, at);
  if (op === "create" && before) return before;
  return { ...own(data), _id: id, _rev: before?._rev ?? 0, _created: before?._created ?? at, _updated: at };
}

function patched(before: LiveDocument, change: Readonly<Record<string, unknown>>, at: string): LiveDocument {
  const operators = Object.keys(change).filter((name) => name.startsWith("$"));
  if (operators.some((name) => !LOCAL_OPERATORS.includes(name))) return before; // only the server computes these
  try {
    const after = operators.length ? updated(before, change) : merged(before, own(change));
    return { ...after, _id: before._id, _rev: before._rev!, _updated: at };
  } catch {
    return before; // the server will refuse the write, and explain why
  }
}

function own(data: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(data).filter(([name]) => !name.startsWith("_")));
}

/**
 * True if the result has the document. If only the server can compute the filter, a document stays in the result or
 * outside of it.
 */
function belongs(document: LiveDocument, base: Found, writes: readonly LocalWrite[], shape: QueryShape | undefined): boolean {
  if (!shape?.where) return true;
  // the document has only the selected fields, so the effect of the patch on the filter is unknown
  const partial = shape.select && writes.every(({ op }) => op === "patch");
  try {
    return partial ? Boolean(base) : matches(document, shape.where);
  } catch {
    return Boolean(base);
  }
}

function selected(document: LiveDocument, select: readonly string[] | undefined): LiveDocument {
  if (!select) return document;
  const fields: Record<string, unknown> = { _id: document._id };
  for (const path of select) {
    const names = path.split(".");
    const last = names.pop()!;
    let [from, to]: [unknown, Record<string, unknown>] = [document, fields];
    for (const name of names) {
      from = member(from, name);
      if (isObject(from)) to = inner(to, name);
    }
    const found = member(from, last);
    if (found !== undefined) to[last] = found;
  }
  return fields as LiveDocument;
}

/** Returns the list with `document` at its position, in place of the document with the same id. */
function replaced(docs: readonly LiveDocument[], id: string, document: Found, sort: readonly string[], full: boolean): readonly LiveDocument[] {
  const place = docs.findIndex(({ _id }) => _id === id);
  const others = docs.filter(({ _id }) => _id !== id);
  if (!document) return others;
  const stays = place >= 0 && compared(document, docs[place]!, sort) === 0;
  const behind = stays ? place : others.findIndex((other) => compared(document, other, sort) < 0);
  const at = behind < 0 ? others.length : behind;
  return full && !stays && at === others.length ? others : [...others.slice(0, at), document, ...others.slice(at)];
}
