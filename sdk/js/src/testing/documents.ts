/** Documents in memory, with the part of BunBase's queries that tests of an app need most. */

import { Problem } from "../problem.js";
import type { ProblemCode } from "../problem_codes.js";

const COMBINING: readonly string[] = ["$and", "$or", "$nor"];
type Stored = Record<string, unknown> & { _id: string; _rev: number };
const QUERY: readonly (keyof MemoryQuery)[] = ["where", "sort", "limit", "cursor", "count"];
type Test = (value: unknown) => boolean;

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

/** Returns the problem that the server would answer with. */
export function refused(status: number, code: ProblemCode, detail: string): Problem {
  return new Problem({ code, status, detail });
}

/** Refuses what this server would ignore in silence: a test would then succeed with an app that fails. */
export function checkKnown(what: string, names: Iterable<string>, known: readonly string[]): void {
  for (const name of names)
    if (!known.includes(name)) throw refused(400, "invalid_query", `The server in memory does not know ${name} of a ${what}. Test this with bunbase dev.`);
}

/** Refuses operators of a filter that this server does not know, also if no document is compared with them. */
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

function at(document: unknown, path: string): unknown {
  return path.split(".").reduce<unknown>((value, name) => (value as Record<string, unknown> | undefined)?.[name], document);
}

function matches(document: unknown, where: Record<string, unknown>): boolean {
  return Object.entries(where).every(([path, wanted]) => {
    const all = wanted as Record<string, unknown>[];
    if (path === "$and") return all.every((one) => matches(document, one));
    if (path === "$or") return all.some((one) => matches(document, one));
    if (path === "$nor") return !all.some((one) => matches(document, one));
    return test(wanted)(at(document, path));
  });
}

function test(wanted: unknown): Test {
  if (!isObject(wanted) || !Object.keys(wanted).some((name) => name.startsWith("$"))) return (value) => anyOf(value, (one) => same(one, wanted));
  const tests = Object.entries(wanted).map(([operator, operand]) => operation(operator, operand));
  return (value) => tests.every((passes) => passes(value));
}

function operation(operator: string, operand: unknown): Test {
  const list = operand as unknown[];
  const ordered = (passes: (order: number) => boolean): Test => (value) =>
    anyOf(value, (one) => typeof one === typeof operand && passes(order(one, operand)));
  switch (operator) {
    case "$eq":
      return (value) => anyOf(value, (one) => same(one, operand));
    case "$ne":
      return (value) => !anyOf(value, (one) => same(one, operand));
    case "$gt":
      return ordered((sign) => sign > 0);
    case "$gte":
      return ordered((sign) => sign >= 0);
    case "$lt":
      return ordered((sign) => sign < 0);
    case "$lte":
      return ordered((sign) => sign <= 0);
    case "$in":
      return (value) => anyOf(value, (one) => list.some((item) => same(one, item)));
    case "$nin":
      return (value) => !anyOf(value, (one) => list.some((item) => same(one, item)));
    case "$exists":
      return (value) => (value !== undefined) === Boolean(operand);
    case "$not": {
      const inner = test(operand);
      return (value) => !inner(value);
    }
    case "$startsWith":
      return (value) => anyOf(value, (one) => typeof one === "string" && one.startsWith(String(operand)));
    default:
      throw refused(400, "invalid_query", `The server in memory does not know ${operator}. Test this with bunbase dev.`);
  }
}

function anyOf(value: unknown, passes: Test): boolean {
  return passes(value) || (Array.isArray(value) && value.some(passes));
}

function same(one: unknown, other: unknown): boolean {
  if (one === undefined) return other === null;
  const text = (value: unknown) => JSON.stringify(value, (_, inner: unknown) => (typeof inner === "bigint" ? `${inner}n` : inner));
  return text(one) === text(other);
}

function order(one: unknown, other: unknown): number {
  return (one as number) < (other as number) ? -1 : (one as number) > (other as number) ? 1 : 0;
}

function compared(one: Stored, other: Stored, sort: string[]): number {
  for (const path of [...sort, "_id"]) {
    const down = path.startsWith("-");
    const sign = order(at(one, path.slice(Number(down))), at(other, path.slice(Number(down))));
    if (sign) return down ? -sign : sign;
  }
  return 0;
}

function merged(before: unknown, patch: unknown): Record<string, unknown> {
  const target: Record<string, unknown> = isObject(before) ? { ...before } : {};
  for (const [name, value] of Object.entries(patch as object)) {
    checkedNames([name]);
    if (value === null) delete target[name];
    else target[name] = isObject(value) ? merged(target[name], value) : value;
  }
  return target;
}

function updated(before: Stored, update: Record<string, unknown>): Record<string, unknown> {
  const target = structuredClone(before) as Record<string, unknown>;
  for (const [operator, operands] of Object.entries(update))
    for (const [path, value] of Object.entries(operands as object)) change(target, operator, path, value);
  return target;
}

function change(target: Record<string, unknown>, operator: string, path: string, value: unknown): void {
  const names = path.split(".");
  checkedNames(names);
  const unknown = [...names, ...(isObject(value) && "$each" in value ? Object.keys(value) : [])].find((name) => name.startsWith("$") && name !== "$each");
  if (unknown) throw refused(422, "invalid_update", `The server in memory does not know ${unknown}. Test this with bunbase dev.`);
  const last = names.pop()!;
  const parent = names.reduce((inner, name) => (inner[name] ??= {}) as Record<string, unknown>, target);
  const list = () => (Array.isArray(parent[last]) ? (parent[last] as unknown[]) : []);
  const added = isObject(value) && "$each" in value ? (value.$each as unknown[]) : [value];
  if (operator === "$set") parent[last] = value;
  else if (operator === "$unset") delete parent[last];
  else if (operator === "$inc") parent[last] = typeof value === "bigint" ? BigInt(Number(parent[last] ?? 0)) + value : Number(parent[last] ?? 0) + Number(value);
  else if (operator === "$push") parent[last] = [...list(), ...added];
  else if (operator === "$addToSet") parent[last] = [...list(), ...added.filter((item) => !list().some((one) => same(one, item)))];
  else if (operator === "$pull") parent[last] = list().filter((item) => !pulls(item, value));
  else if (operator === "$now") parent[last] = new Date().toISOString();
  else throw refused(422, "invalid_update", `The server in memory does not know ${operator}. Test this with bunbase dev.`);
}

/** Refuses the name by which an object could change the prototype of all objects of the test. */
function checkedNames(names: readonly string[]): void {
  if (names.includes("__proto__")) throw refused(422, "invalid_update", "The server in memory takes no field __proto__.");
}

/** True if `$pull` removes the element: an object is a filter, on the element or on its fields. */
function pulls(item: unknown, condition: unknown): boolean {
  if (!isObject(condition)) return same(item, condition);
  if (Object.keys(condition).some((name) => name.startsWith("$") && !["$and", "$or", "$nor"].includes(name))) return test(condition)(item);
  return isObject(item) && matches(item, condition);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
