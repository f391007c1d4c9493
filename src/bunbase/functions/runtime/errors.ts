/** Describes an error for the log of a function. */

import { inspect } from "node:util";

const MAX_CHARACTERS = 4096;
const MAX_CAUSES = 4;

/** Returns the message and the stack of an error and of its causes. Never throws; otherwise the call would never end. */
export function describe(error: unknown): string {
  try {
    return described(error);
  } catch {
    return "An error was thrown that cannot be shown: reading its message throws another error.";
  }
}

function described(error: unknown): string {
  const texts: string[] = [];
  for (let next = error; next !== undefined && texts.length < MAX_CAUSES; next = causeOf(next)) texts.push(textOf(next));
  return texts.join("\nCaused by: ").slice(0, MAX_CHARACTERS);
}

function textOf(error: unknown): string {
  if (typeof error === "string") return error;
  if (!(error instanceof Error)) return inspect(error, { colors: false, depth: 2 });
  const title = `${error.name}: ${error.message}`;
  const stack = (error.stack ?? "").split("\n").filter(ofTheFunction).join("\n");
  return stack.includes(error.message) ? stack : `${title}\n${stack}`;
}

/** False for stack frames of the runtime: they do not help the author, and they contain paths of the server. */
function ofTheFunction(line: string): boolean {
  return !/^\s+at /.test(line) || line.includes("function.js");
}

function causeOf(error: unknown): unknown {
  return error instanceof Error ? error.cause : undefined;
}
