/** Documents in memory, with the features of BunBase's queries that tests of an app need most. */

import { COMBINING, compared, matches, merged, operation, refused, test, updated } from "../local.js";

type Stored = Record<string, unknown> & { _id: string; _rev: number };
const QUERY: readonly (keyof MemoryQuery)[] = ["where", "sort", "limit", "cursor", "count"];

export class MemoryDocuments {
  readonly #collections = new Map<string, Map<string, Stored>>();
  #made = 0;

  all(collection: string): Map<string, Stored> {
    let found = this.#collections.get(collection);
    if (!found) this.#collections.set(collection, (found = new Map()));
    return found;
  }

  get(collection: string, id: string): Stored {
    const found = this.all(collection).get(id);
    if (!found) throw refused(404, "document_not_found", `There is no document ${id} in ${collection}.`);
    return found;
  }

  create(collection: string, data: Record<string, unknown>): Stored {
    const id = typeof data._id === "string" ? data._id : `doc${String(++this.#made).padStart(8, "0")}`;
    if (this.all(collection).has(id)) throw refused(409, "document_exists", `A document ${id} exists already.`);
    return this.#keep(collection, id, data, undefined);
  }

  put(collection: string, id: string, data: Record<string, unknown>, condition: Condition): Stored {
    return this.#keep(collection, id, data, this.#checked(collection, id, condition));
  }

  patch(collection: string, id: string, change: Record<string, unknown>, condition: Condition): Stored {
    const before = this.get(collection, id);
    this.#checked(collection, id, condition);
    const operators = Object.keys(change).some((name) => name.startsWith("$"));
    return this.#keep(collection, id, operators ? updated(before, change) : merged(before, change), before);
  }

  delete(collection: string, id: string, condition: Condition): void {
    this.get(collection, id);
    this.#checked(collection, id, condition);
    this.all(collection).delete(id);
  }

  query(collection: string, query: MemoryQuery): { items: Stored[]; next: string | null; count?: number } {
    checkKnown("query", Object.keys(query), QUERY);
    checkWhere(query.where ?? {});
    const found = [...this.all(collection).values()].filter((document) => matches(document, query.where ?? {}));
    found.sort((one, other) => compared(one, other, query.sort ?? ["_id"]));
    const from = Number(query.cursor ?? 0);
    const until = from + (query.limit ?? 20);
    const items = structuredClone(found.slice(from, until));
    const page = { items, next: until < found.length ? String(until) : null };
    return query.count ? { ...page, count: found.length } : page;
  }

  /** Runs all writes, or none. */
  commit(writes: MemoryWrite[]): { id: string; rev: number }[] {
    const before = structuredClone([...this.#collections]);
    try {
      return writes.map((write) => this.#perform(write));
    } catch (problem) {
      this.#collections.clear();
      for (const [name, documents] of before) this.#collections.set(name, documents);
      throw problem;
    }
  }

  #perform({ op, collection, id, data, if_rev }: MemoryWrite): { id: string; rev: number } {
    const condition = { rev: if_rev };
    if (op === "create") return result(this.create(collection, { ...data, ...(id && { _id: id }) }));
    if (op === "put") return result(this.put(collection, id!, data!, condition));
    if (op === "patch") return result(this.patch(collection, id!, data!, condition));
    if (op === "delete") this.delete(collection, id!, condition);
    else this.#checked(collection, id!, condition);
    return { id: id!, rev: 0 };
  }

  #checked(collection: string, id: string, { rev, absent }: Condition): Stored | undefined {
    const found = this.all(collection).get(id);
    const wanted = absent ? 0 : rev;
    if (wanted !== undefined && (found?._rev ?? 0) !== wanted)
      throw refused(412, "stale_revision", `The document ${id} has changed. Read it again.`);
    return found;
  }

  #keep(collection: string, id: string, data: Record<string, unknown>, before: Stored | undefined): Stored {
    const now = new Date().toISOString();
    const own = Object.fromEntries(Object.entries(structuredClone(data)).filter(([name]) => !name.startsWith("_")));
    const stored = { ...own, _id: id, _rev: (before?._rev ?? 0) + 1, _created: before?._created ?? now, _updated: now };
    this.all(collection).set(id, stored);
    return stored;
  }
}

export interface Condition {
  rev?: number | undefined;
  absent?: boolean;
}

export interface MemoryQuery {
  where?: Record<string, unknown>;
  sort?: string[];
  limit?: number;
  cursor?: string | null;
  count?: boolean;
}

export interface MemoryWrite {
  op: string;
  collection: string;
  id?: string;
  data?: Record<string, unknown>;
  if_rev?: number;
}

/**
 * Refuses options that this server does not support. If the server ignored such options, a test could succeed although
 * the app fails.
 */
export function checkKnown(what: string, names: Iterable<string>, known: readonly string[]): void {
  for (const name of names)
    if (!known.includes(name)) throw refused(400, "invalid_query", `The server in memory does not know ${name} of a ${what}. Test this with bunbase dev.`);
}

/** Refuses operators of a filter that this server does not know, even if no document is compared with them. */
function checkWhere(where: Record<string, unknown>): void {
  for (const [path, wanted] of Object.entries(where)) {
    if (COMBINING.includes(path)) for (const one of wanted as Record<string, unknown>[]) checkWhere(one);
    else if (path.startsWith("$")) operation(path, wanted);
    else test(wanted);
  }
}

function result({ _id, _rev }: Stored): { id: string; rev: number } {
  return { id: _id, rev: _rev };
}

