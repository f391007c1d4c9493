/**
 * JSON with exact 64-bit integers.
 *
 * Reading: an integer beyond ±2^53 becomes a `bigint`; every other number is a `number`. A text without 16 digits in a
 * row has no such integer and takes plain `JSON.parse`. Otherwise the engine tells the digits of each number, if it can
 * (Chromium, Bun, Node 21); on Node 20 `marked` turns such integers into marked strings first.
 *
 * Writing: a `bigint` is written as an integer, a `Date` as RFC 3339, and an integral `number` beyond 2^53 with an
 * exponent, because it would come back as a `bigint` otherwise. Values that JSON would change or drop in silence (NaN,
 * functions, maps, `undefined` in a list) are refused with their path.
 */

import { invalidValue } from "./problem.js";

type Reviver = (this: unknown, key: string, value: unknown, context?: { source?: string }) => unknown;

const LONG = /\d{16}/;
const INTEGER = /^-?(?:0|[1-9]\d*)$/;
const TOKEN = /"[^"\\]*(?:\\.[^"\\]*)*"(\s*:)?|-?\d[\d.eE+-]*/gs;
const MAX_LEVELS = 100;

let tellsSource: boolean | undefined;

/** Parses a JSON text. Throws a SyntaxError. @internal */
export function readJson(text: string): unknown {
  if (!LONG.test(text)) return JSON.parse(text);
  tellsSource ??= engineTellsSource();
  return tellsSource ? JSON.parse(text, bySource as Reviver) : readMarked(text);
}

/** The way for engines that do not tell the digits of a number. @internal */
export function readMarked(text: string): unknown {
  return JSON.parse(text.replace(TOKEN, marked), byMark as Reviver);
}

/** Returns the JSON text of a value. Throws a Problem `invalid_value`. @internal */
export function writeJson(value: unknown): string {
  return written(value, "", 0) ?? "null";
}

function engineTellsSource(): boolean {
  let told = false;
  const note: Reviver = (_key, _value, context) => void (told = context?.source === "1");
  JSON.parse("1", note as (key: string, value: unknown) => unknown);
  return told;
}

function bySource(_key: string, value: unknown, context?: { source?: string }): unknown {
  return typeof value === "number" && context?.source !== undefined && isLong(context.source)
    ? BigInt(context.source)
    : value;
}

function isLong(digits: string): boolean {
  return INTEGER.test(digits) && !Number.isSafeInteger(Number(digits));
}

/** Marks long integers with `#i`, and the strings that might be taken for such a mark with `#s`. Keys stay. */
function marked(token: string, colon: string | undefined): string {
  if (token[0] !== '"') return isLong(token) ? `"#i${token}"` : token;
  const second = token[1];
  return colon === undefined && (second === "#" || second === "\\") ? `"#s${token.slice(1)}` : token;
}

function byMark(_key: string, value: unknown): unknown {
  if (typeof value !== "string" || value[0] !== "#") return value;
  return value[1] === "i" ? BigInt(value.slice(2)) : value.slice(2);
}

function written(value: unknown, path: string, level: number): string | undefined {
  switch (typeof value) {
    case "string":
    case "boolean":
      return JSON.stringify(value);
    case "bigint":
      return String(value);
    case "number":
      if (!Number.isFinite(value)) throw invalidValue(path, `JSON has no ${value}. Send a number, or null.`);
      return Number.isInteger(value) && !Number.isSafeInteger(value) ? value.toExponential() : JSON.stringify(value);
    case "undefined":
      return undefined;
    case "object":
      return value === null ? "null" : writtenObject(value, path, level);
    default:
      throw invalidValue(path, `A ${typeof value} cannot be sent.`);
  }
}

function writtenObject(value: object, path: string, level: number): string | undefined {
  if (level > MAX_LEVELS) throw invalidValue(path, `A value may have at most ${MAX_LEVELS} levels. Is it circular?`);
  if (value instanceof Date && Number.isNaN(value.getTime())) throw invalidValue(path, "This date is not valid.");
  if ("toJSON" in value && typeof value.toJSON === "function") return written(value.toJSON(), path, level + 1);
  if (Array.isArray(value)) {
    const items = Array.from(value, (item, index) => {
      const text = written(item, `${path}/${index}`, level + 1);
      if (text === undefined) throw invalidValue(`${path}/${index}`, "A list cannot hold undefined. Send null.");
      return text;
    });
    return `[${items}]`;
  }
  const prototype = Object.getPrototypeOf(value) as object | null;
  if (prototype !== null && Object.getPrototypeOf(prototype) !== null && hasOwnShape(value))
    throw invalidValue(path, `A ${value.constructor.name} cannot be sent. Send a plain object or a list.`);
  const members: string[] = [];
  for (const [name, member] of Object.entries(value)) {
    const text = written(member, `${path}/${pointer(name)}`, level + 1);
    if (text !== undefined) members.push(`${JSON.stringify(name)}:${text}`);
  }
  return `{${members}}`;
}

/** True for objects whose contents are not in their members, such as Map, Set, Blob, bytes and promises. */
function hasOwnShape(value: object): boolean {
  return Object.prototype.toString.call(value) !== "[object Object]";
}

function pointer(name: string): string {
  return name.replaceAll("~", "~0").replaceAll("/", "~1");
}
