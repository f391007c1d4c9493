/** Results as values: applying a difference, comparing two results, and the digest of a result. */

import { writeJson } from "../json.js";
import type { Changes, Difference, LiveDocument } from "./protocol.js";

/** Returns the result after a difference. @internal */
export function applied(docs: readonly LiveDocument[], { gone = [], put = [] }: Difference): LiveDocument[] {
  const away = new Set([...gone, ...put.map(([, { _id }]) => _id)]);
  const kept = docs.filter(({ _id }) => !away.has(_id));
  const next: LiveDocument[] = [];
  // a single pass, because inserting each document into the middle of a long list would take quadratic time
  let from = 0;
  for (const [index, document] of put) {
    while (next.length < index && from < kept.length) next.push(kept[from++]!);
    next.push(document);
  }
  return next.concat(kept.slice(from));
}

/**
 * Returns `after` with the objects of `before` for all documents that are equal, so that an app can compare them by
 * identity. Also returns the changes from `before` to `after`. @internal
 */
export function compared<T extends { readonly _id: string }>(before: readonly T[], after: readonly T[]): Changes<T> & { items: readonly T[] } {
  const old = new Map(before.map((document, index) => [document._id, { document, index }]));
  const [added, changed, moved]: [T[], T[], T[]] = [[], [], []];
  const stayed: { document: T; index: number }[] = [];
  const items = after.map((document) => {
    const found = old.get(document._id);
    if (!found) return added.push(document), document;
    old.delete(document._id);
    const equal = found.document === document || writeJson(found.document) === writeJson(document);
    const item = equal ? found.document : document;
    if (!equal) changed.push(item);
    stayed.push({ document: item, index: found.index });
    return item;
  });
  const inPlace = longestIncreasing(stayed.map(({ index }) => index));
  stayed.forEach(({ document }, at) => void (inPlace.has(at) || moved.push(document)));
  return { items, added, changed, removed: [...old.values()].map(({ document }) => document), moved };
}

/** Returns the positions of a longest increasing part of a list of different numbers. */
function longestIncreasing(numbers: readonly number[]): Set<number> {
  const ends: number[] = []; // the position of the smallest number that ends an increasing part of each length
  const previous: number[] = [];
  numbers.forEach((number, at) => {
    let [low, high] = [0, ends.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (numbers[ends[middle]!]! < number) low = middle + 1;
      else high = middle;
    }
    previous[at] = low ? ends[low - 1]! : -1;
    ends[low] = at;
  });
  const found = new Set<number>();
  for (let at = ends.at(-1) ?? -1; at >= 0; at = previous[at]!) found.add(at);
  return found;
}

/**
 * Returns the digest of a result as the server computes it: the CRC-32 of the lines `<_id> <_rev>\n`. Returns undefined
 * if a document has no `_rev`, because the query did not select it. @internal
 */
export function digest(docs: readonly LiveDocument[]): string | undefined {
  if (docs.some(({ _rev }) => _rev === undefined)) return undefined;
  const bytes = new TextEncoder().encode(docs.map(({ _id, _rev }) => `${_id} ${_rev}\n`).join(""));
  let crc = -1;
  for (const byte of bytes) {
    crc ^= byte;
    // computed bit by bit: a check comes only once a minute, and a table would make the package larger
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return (~crc >>> 0).toString(16).padStart(8, "0");
}
