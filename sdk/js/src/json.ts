/**
 * JSON with exact 64-bit integers.
 *
 * Reading: an integer beyond ±2^53 becomes a `bigint`; every other number is a `number`. A text without 16 digits in a
 * row has no such integer, so plain `JSON.parse` reads it. Otherwise `marked` turns such integers into marked strings
 * first, because `JSON.parse` of Node 20 and of Safari before 18.4 does not pass the digits of a number on.
 *
 * Writing: a `bigint` is written as an integer, a `Date` as RFC 3339, and an integral `number` beyond 2^53 with an
 * exponent, because it would come back as a `bigint` otherwise. Values that JSON would change or drop in silence (NaN,
 * functions, maps, `undefined` in a list, or in the filter of a query) are refused with their path. A text that was cut
 * within an emoji is refused too: half of a character is no Unicode, so the server could not read it.
 */

import { invalidValue, type Problem } from "./problem.js";

const LONG = /\d{16}/;
const INTEGER = /^-?(?:0|[1-9]\d*)$/;
const ESCAPE = /\\./gs;
const TOKEN = /"[^"]*"(\s*:)?|-?\d[\d.eE+-]*/g;
const HALF = /[\ud800-\udfff]/u; // with the flag u, a whole pair counts as one character, and does not match
const MAX_LEVELS = 100;

/** Parses a JSON text. Throws a SyntaxError. @internal */
export function readJson(text: string): unknown {
  if (!LONG.test(text)) return JSON.parse(text);
  // one pattern for a string with its escapes would overflow the stack of V8 at a few million escapes
  const even = text.replace(ESCAPE, "__");
  const mark = (token: string, colon: string | undefined, at: number) => marked(text.slice(at, at + token.length), colon);
  return JSON.parse(even.replace(TOKEN, mark), byMark);
}

/**
 * Returns the JSON text of a value. Throws a Problem `invalid_value`. `filters`: `undefined` below `/where` is refused,
 * because a filter without this member would match more documents. @internal
 */
export function writeJson(value: unknown, filters?: boolean): string {
  return written(value, "", 0, filters) ?? "null";
}

function isLong(digits: string): boolean {
  return INTEGER.test(digits) && !Number.isSafeInteger(Number(digits));
}

/** Marks long integers with `#i`, and strings that look like such a mark with `#s`. Keys of objects stay unchanged. */
function marked(token: string, colon: string | undefined): string {
  if (token[0] !== '"') return isLong(token) ? `"#i${token}"` : token;
  const second = token[1];
  return colon === undefined && (second === "#" || second === "\\") ? `"#s${token.slice(1)}` : token;
}

function byMark(_key: string, value: unknown): unknown {
  if (typeof value !== "string" || value[0] !== "#") return value;
  return value[1] === "i" ? BigInt(value.slice(2)) : value.slice(2);
}

function written(value: unknown, path: string, level: number, filters?: boolean): string | undefined {
  const type = typeof value;
  if (type === "function" || type === "symbol") throw unsendable(path, type);
  if (type === "bigint") return `${value}`;
  if (type === "number") {
    if (!Number.isFinite(value)) throw unsendable(path, value);
    if (Number.isInteger(value) && !Number.isSafeInteger(value)) return (value as number).toExponential();
  }
  if (type === "string") checkWhole(path, value as string);
  return type === "object" && value ? writtenObject(value, path, level, filters) : JSON.stringify(value);
}

function writtenObject(value: object, path: string, level: number, filters?: boolean): string | undefined {
  if (level > MAX_LEVELS) throw invalidValue(path, `It has more than ${MAX_LEVELS} levels. Is it circular?`);
  if (value instanceof Date && Number.isNaN(value.getTime())) throw unsendable(path, value);
  if ("toJSON" in value && typeof value.toJSON === "function") return written(value.toJSON(), path, level + 1, filters);
  const below = (name: string | number, member: unknown) => written(member, `${path}/${pointer(`${name}`)}`, level + 1, filters);
  if (Array.isArray(value)) {
    const items = Array.from(value, (item, index) => {
      const text = below(index, item);
      if (text === undefined) throw unsendable(`${path}/${index}`, item);
      return text;
    });
    return `[${items}]`;
  }
  // JSON would lose the contents of Map, Set, Blob, bytes and promises, because they are not members of the object
  const kind = Object.prototype.toString.call(value).slice(8, -1);
  if (kind !== "Object") throw unsendable(path, kind);
  const members: string[] = [];
  for (const [name, member] of Object.entries(value)) {
    const text = below(name, member);
    checkWhole(path, name);
    if (text !== undefined) members.push(`${JSON.stringify(name)}:${text}`);
    else if (filters && path.startsWith("/where")) throw unsendable(`${path}/${pointer(name)}`, member);
  }
  return `{${members}}`;
}

/** Refuses a text with half of a character. @internal */
export function checkWhole(path: string, text: string): void {
  if (HALF.test(text)) throw invalidValue(path, "This text was cut within a character.");
}

/** `what`: a value, or the name of its kind. */
function unsendable(path: string, what: unknown): Problem {
  return invalidValue(path, `JSON has no ${what}. Send null, or another value.`);
}

function pointer(name: string): string {
  return name.replaceAll("~", "~0").replaceAll("/", "~1");
}
