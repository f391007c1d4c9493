/** Filters, order and updates of documents without a server: for the server in memory, and for local echoes of writes. */

import { Problem } from "./problem.js";
import type { ProblemCode } from "./problem_codes.js";

/** @internal */
export const COMBINING: readonly string[] = ["$and", "$or", "$nor"];
type Test = (value: unknown) => boolean;

/** Returns the problem with which the server would answer. @internal */
export function refused(status: number, code: ProblemCode, detail: string): Problem {
  return new Problem({ code, status, detail });
}

/**
 * Returns the value of a path such as `author.name`. `filters`: throws if the path leads through an array, because
 * filters inside arrays are not supported here. @internal
 */
export function at(document: unknown, path: string, filters?: boolean): unknown {
  return path.split(".").reduce<unknown>((value, name) => {
    if (filters && Array.isArray(value)) throw unknownHere(`${path}, which leads through an array`);
    return member(value, name);
  }, document);
}

/**
 * Returns a member of an object itself, and no member that it inherits. Otherwise, the path `constructor.prototype.x`
 * would lead to the prototype of all objects. @internal
 */
export function member(value: unknown, name: string): unknown {
  return value instanceof Object && Object.hasOwn(value, name) ? (value as Record<string, unknown>)[name] : undefined;
}

/** Returns the object in a member, which is made if it is missing. @internal */
export function inner(value: Record<string, unknown>, name: string): Record<string, unknown> {
  return (member(value, name) ?? (value[name] = {})) as Record<string, unknown>;
}

/** True if a document passes a filter. Throws for operators that this module does not support. @internal */
export function matches(document: unknown, where: Record<string, unknown>): boolean {
  return Object.entries(where).every(([path, wanted]) => {
    const all = wanted as Record<string, unknown>[];
    if (path === "$and") return all.every((one) => matches(document, one));
    if (path === "$or") return all.some((one) => matches(document, one));
    if (path === "$nor") return !all.some((one) => matches(document, one));
    if (path.startsWith("$")) operation(path, wanted); // this throws for $search
    return test(wanted)(at(document, path, true));
  });
}

/** @internal */
export function test(wanted: unknown): Test {
  if (!isObject(wanted) || !Object.keys(wanted).some((name) => name.startsWith("$"))) return (value) => anyOf(value, (one) => same(one, wanted));
  const tests = Object.entries(wanted).map(([operator, operand]) => operation(operator, operand));
  return (value) => tests.every((passes) => passes(value));
}

/** @internal */
export function operation(operator: string, operand: unknown): Test {
  const list = operand as unknown[];
  const ordered = (passes: (order: number) => boolean): Test => (value) =>
    anyOf(value, (one) => rank(one) === rank(operand) && passes(order(one, operand)));
  if (operator.endsWith("in") && list.some((item) => isObject(item) && "$regex" in item)) throw unknownHere("$regex");
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
      throw unknownHere(operator);
  }
}

function unknownHere(what: string): Problem {
  return refused(400, "invalid_query", `The server in memory does not know ${what}. Test this with bunbase dev.`);
}

function anyOf(value: unknown, passes: Test): boolean {
  return passes(value) || (Array.isArray(value) && value.some(passes));
}

function same(one: unknown, other: unknown): boolean {
  if (one === undefined) return other === null;
  const text = (value: unknown) => JSON.stringify(value, (_, inner: unknown) => (typeof inner === "bigint" ? `${inner}n` : inner));
  return text(one) === text(other);
}

/** The order of types: missing and null, numbers, strings, objects, arrays, false and true. */
function rank(value: unknown): number {
  if (value === undefined || value === null) return 0;
  if (typeof value === "object") return Array.isArray(value) ? 4 : 3;
  return { number: 1, bigint: 1, string: 2 }[typeof value as string] ?? 5;
}

function order(one: unknown, other: unknown): number {
  const by = rank(one) - rank(other);
  if (by || !rank(one)) return by;
  return (one as number) < (other as number) ? -1 : (one as number) > (other as number) ? 1 : 0;
}

/** Compares two documents as `sort` does. Equal values are ordered by `_id`, in the direction of the last field. @internal */
export function compared(one: object, other: object, sort: readonly string[]): number {
  const last = sort.at(-1)?.startsWith("-") ? "-_id" : "_id";
  for (const path of [...sort, last]) {
    const down = path.startsWith("-");
    const sign = order(at(one, path.slice(Number(down))), at(other, path.slice(Number(down))));
    if (sign) return down ? -sign : sign;
  }
  return 0;
}

/** Applies a merge patch. @internal */
export function merged(before: unknown, patch: unknown): Record<string, unknown> {
  const target: Record<string, unknown> = isObject(before) ? { ...before } : {};
  for (const [name, value] of Object.entries(patch as object)) {
    checkedNames([name]);
    if (value === null) delete target[name];
    else target[name] = isObject(value) ? merged(target[name], value) : value;
  }
  return target;
}

/** Applies update operators. Throws for unknown operators. @internal */
export function updated(before: object, update: Record<string, unknown>): Record<string, unknown> {
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
  const parent = names.reduce(inner, target);
  const old = member(parent, last);
  const list = Array.isArray(old) ? (old as unknown[]) : [];
  const added = isObject(value) && "$each" in value ? (value.$each as unknown[]) : [value];
  if (operator === "$set") parent[last] = value;
  else if (operator === "$unset") delete parent[last];
  else if (operator === "$inc") parent[last] = typeof value === "bigint" ? BigInt(Number(old ?? 0)) + value : Number(old ?? 0) + Number(value);
  else if (operator === "$push") parent[last] = [...list, ...added];
  else if (operator === "$addToSet") parent[last] = [...list, ...added.filter((item) => !list.some((one) => same(one, item)))];
  else if (operator === "$pull") parent[last] = list.filter((item) => !pulls(item, value));
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

/** @internal */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
