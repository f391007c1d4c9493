/** Describes an error for the log of a function. */

import { inspect } from "node:util";

import { withoutServerFrames } from "./stacks.ts";

const MAX_CHARACTERS = 4096;
const MAX_CAUSES = 4;
const MAX_PARTS = 4;

/** Returns the message and the stack of an error and of its causes. Never throws; otherwise the call would never end. */
export function describe(error: unknown): string {
  try {
    return withoutServerFrames(described(error)).slice(0, MAX_CHARACTERS);
  } catch {
    return "An error was thrown that cannot be shown: reading its message throws another error.";
  }
}

function described(error: unknown): string {
  const texts = [textOf(error)];
  for (let next = causeOf(error); next !== undefined && texts.length < MAX_CAUSES; next = causeOf(next)) {
    texts.push(textOf(next));
  }
  return texts.join("\nCaused by: ");
}

function textOf(error: unknown): string {
  return [singleTextOf(error), ...partsOf(error).map((part) => `- ${singleTextOf(part)}`)].join("\n");
}

function singleTextOf(error: unknown): string {
  if (typeof error === "string") return error;
  if (error instanceof Response) return `A Response (status ${error.status}) was thrown. Return it instead.`;
  if (!(error instanceof Error)) return inspect(error, { colors: false, depth: 2 });
  const { stack = "" } = error;
  return stack.includes(error.message) ? stack : `${error.name}: ${error.message}\n${stack}`;
}

/** Returns the first errors that an AggregateError is about. */
function partsOf(error: unknown): unknown[] {
  return error instanceof AggregateError ? [...error.errors].slice(0, MAX_PARTS) : [];
}

function causeOf(error: unknown): unknown {
  return error instanceof Error ? error.cause : undefined;
}
