/**
 * Describes an error for the log of a function, whether the function throws it or prints it: its name and message, its
 * additional properties, its frames, and its causes. `console.dir(error)` shows the error in the same way as Node.
 */

import { inspect, type InspectOptions } from "node:util";

import { withoutServerFrames } from "./stacks.ts";

const MAX_CHARACTERS = 4096;
const MAX_CAUSES = 4;
const MAX_PARTS = 4;
const MAX_PROPERTY_CHARACTERS = 500;
const SHORTENED = "… (shortened)";
const FRAME = /^\s+at /;
const SHOWN_APART = new Set(["name", "message", "stack", "cause", "errors"]);
const PLAIN_NAMES = new Set(["Error", "Object", ""]);

const FORMAT = { colors: false, depth: 4, compact: 10, breakLength: 100 } as const;
const described = new Set<unknown>(); // These errors are being described now. An error may refer to itself.

/** Returns the text of a thrown value. Never throws, because otherwise the call would never end. */
export function describe(error: unknown): string {
  try {
    const text = withoutServerFrames(textOf(error));
    return text.length > MAX_CHARACTERS ? text.slice(0, MAX_CHARACTERS) + SHORTENED : text;
  } catch {
    return "An error was thrown that cannot be shown: reading its message throws another error.";
  }
}

/** Makes `console` print errors in the format of `describe`, also inside of other values. */
export function printErrorsAsThrown(): void {
  const { printed } = PRINTING;
  Object.defineProperty(Error.prototype, inspect.custom, { value: printed, writable: true, configurable: true });
}

const PRINTING = {
  printed(this: unknown, depth: number, options: InspectOptions): unknown {
    if (!(this instanceof Error)) return this;
    try {
      return depth < 0 || described.has(this) ? `[${titleOf(this)}]` : textOf(this);
    } catch {
      return inspect(this, { ...options, customInspect: false });
    }
  },
};

function textOf(error: unknown): string {
  if (typeof error === "string") return error;
  if (error instanceof Response) return `A Response (status ${error.status}) was thrown. Return it instead.`;
  if (!(error instanceof Error)) return inspect(error, { ...FORMAT, depth: 2 });
  const chain = chainOf(error);
  for (const one of chain) described.add(one);
  try {
    return chain.map((one, at) => linkOf(one, chain[at - 1], framesFrom(chain, at))).join("\nCaused by: ");
  } finally {
    for (const one of chain) described.delete(one);
  }
}

/** Returns the error and its causes, without causes that only repeat the message of the error before (axios, got). */
function chainOf(error: Error): unknown[] {
  const chain: unknown[] = [error];
  const seen = new Set<unknown>(chain);
  let last: unknown = error;
  for (let next = causeOf(error); next !== undefined && !seen.has(next); next = causeOf(next)) {
    if (chain.length === MAX_CAUSES) break;
    seen.add(next);
    if (!repeats(next, last)) chain.push(next);
    last = next;
  }
  return chain;
}

function repeats(error: unknown, before: unknown): boolean {
  return error instanceof Error && before instanceof Error && error.message !== "" && error.message === before.message;
}

/** Returns the frames of an error in the chain, followed by the frames of the causes that repeat its message. */
function framesFrom(chain: unknown[], at: number): string[] {
  const error = chain[at];
  const frames: string[] = [];
  const seen = new Set<unknown>();
  for (let one: unknown = error; one instanceof Error && !seen.has(one); one = one.cause) {
    if (one !== error && !repeats(one, error)) break;
    seen.add(one);
    frames.push(...framesOf(one));
  }
  return [...new Set(frames)];
}

function linkOf(error: unknown, before: unknown, frames: string[]): string {
  if (!(error instanceof Error)) return textOf(error);
  const detail = (error as { detail?: unknown }).detail;
  const known = before instanceof Error && typeof detail === "string" && before.message.includes(detail);
  const title = known ? nameOf(error) : titleOf(error);
  const lines = [title, ...propertiesOf(error), ...frames, ...partsOf(error).map((one) => `- ${textOf(one)}`)];
  return lines.join("\n");
}

function titleOf(error: Error): string {
  const { message } = error;
  return message === "" ? nameOf(error) : `${nameOf(error)}: ${String(message)}`;
}

/** Returns the name of the class, unless the author has set another name. */
function nameOf(error: Error): string {
  const name = String(error.name);
  if (name !== "Error") return name;
  const kind = (error.constructor as { name?: unknown } | undefined)?.name;
  return typeof kind === "string" && !PLAIN_NAMES.has(kind) ? kind : name;
}

/**
 * Returns the frames of the stack. The text before them repeats the message, or only names the class (jsonwebtoken).
 */
function framesOf({ stack, message }: Error): string[] {
  if (typeof stack !== "string") return [];
  const at = typeof message === "string" && message !== "" ? stack.indexOf(message) : -1;
  const rest = at < 0 ? stack : stack.slice(at + message.length);
  return rest.split("\n").filter((line) => FRAME.test(line));
}

/** Returns the line of the additional properties, such as `code`, or nothing if there are none. */
function propertiesOf(error: Error): string[] {
  const shown = Object.entries(Object.getOwnPropertyDescriptors(error)).filter(
    ([name, { enumerable, value }]) => enumerable && !SHOWN_APART.has(name) && isNews(value, error),
  );
  if (shown.length === 0) return [];
  const texts = shown.map(([name, { value }]) => `${name}: ${propertyText(value)}`);
  return [`  { ${texts.join(", ")} }`.replaceAll("\n", "\n  ")];
}

/** False for a text that is a part of the message, such as the `detail` of a problem. */
function isNews(value: unknown, { message }: Error): boolean {
  if (typeof value !== "string") return value !== undefined;
  return !message.includes(value) || value.length < message.length / 2;
}

/**
 * Returns the text of a property. Of a large property, such as the request of an HTTP client, only the type is shown.
 */
function propertyText(value: unknown): string {
  if (typeof value === "object" && value !== null && described.has(value)) return "[Circular]";
  for (const depth of [FORMAT.depth, 1]) {
    const text = inspect(value, { ...FORMAT, depth });
    if (text.length <= MAX_PROPERTY_CHARACTERS) return text;
  }
  if (typeof value !== "string") return inspect(value, { ...FORMAT, depth: -1 });
  return inspect(value.slice(0, MAX_PROPERTY_CHARACTERS)) + SHORTENED;
}

/** Returns the first errors inside of an AggregateError. */
function partsOf(error: Error): unknown[] {
  return error instanceof AggregateError ? [...error.errors].slice(0, MAX_PARTS) : [];
}

function causeOf(error: unknown): unknown {
  return error instanceof Error ? error.cause : undefined;
}
