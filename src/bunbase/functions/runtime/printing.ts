/**
 * The global `console` and the standard output of a function. Everything that they print becomes a line of the log.
 *
 * Bun's own methods write to a standard output that the sandbox does not have. The replacements follow WHATWG's Console
 * standard, and format values as Node does.
 */

import { formatWithOptions, inspect, type InspectOptions } from "node:util";

import type { Level, Log } from "./context.ts";
import { callSite, framesOf } from "./stacks.ts";

const LEVEL_OF = { debug: "debug", log: "info", info: "info", warn: "warn", error: "error" } as const;
const FORMAT = { colors: false, depth: 4 };

/** Writes one line. */
export type Write = (level: Level, text: string) => void;

/** The indentation of the present call, which `console.group` increases. */
export type Indent = { depth: number };

/** Redirects the global console and the standard output to `write`, and returns `ctx.log`. */
export function capturePrinting(write: Write, indent: () => Indent): Log {
  const print: Write = (level, text) => write(level, indented(text, indent().depth));
  const printer = (level: Level) => (...values: unknown[]) => print(level, format(values));
  for (const [name, level] of Object.entries(LEVEL_OF)) Object.assign(console, { [name]: printer(level) });
  Object.assign(console, dumping(print), counting(print), timing(print), grouping(print, indent));
  process.stdout.write = writer(write, "info");
  process.stderr.write = writer(write, "error");
  return { debug: printer("debug"), info: printer("info"), warn: printer("warn"), error: printer("error") };
}

function format(values: unknown[]): string {
  return formatWithOptions(FORMAT, ...values);
}

/** Returns the methods `dir`, `dirxml`, `table`, `trace` and `assert` of the console. */
function dumping(print: Write) {
  return {
    dir: (value: unknown, options?: InspectOptions) =>
      print("info", inspect(value, { ...FORMAT, customInspect: false, ...options, colors: false })),
    dirxml: (...values: unknown[]) => print("info", format(values)),
    table: (value: unknown, columns?: string[]) => print("info", tableOf(value, columns)),
    trace: (...values: unknown[]) => print("debug", `${titled("Trace", values)}${framesOf(callSite())}`),
    assert: (condition?: unknown, ...values: unknown[]) => {
      if (!condition) print("error", titled("Assertion failed", values));
    },
    write: (...pieces: (string | Uint8Array)[]) => {
      print("info", pieces.map(textOf).join("").replace(/\n$/, ""));
      return pieces.length;
    },
  };
}

function titled(title: string, values: unknown[]): string {
  return values.length === 0 ? title : `${title}: ${format(values)}`;
}

function tableOf(value: unknown, columns?: string[]): string {
  if (typeof value !== "object" || value === null) return format([value]);
  return Bun.inspect.table(value, columns as string[]).replace(/\n$/, "");
}

function counting(print: Write) {
  const counts = new Map<string, number>();
  return {
    count: (label: unknown = "default") => {
      const name = String(label);
      counts.set(name, (counts.get(name) ?? 0) + 1);
      print("info", `${name}: ${counts.get(name)}`);
    },
    countReset: (label: unknown = "default") => {
      if (!counts.delete(String(label))) print("warn", `Count for '${String(label)}' does not exist`);
    },
  };
}

function timing(print: Write) {
  const begun = new Map<string, number>();
  const timeLog = (label: unknown = "default", ...values: unknown[]) => {
    const at = begun.get(String(label));
    if (at === undefined) return print("warn", `Timer '${String(label)}' does not exist`);
    const passed = `${String(label)}: ${(performance.now() - at).toFixed(3)}ms`;
    print("info", values.length === 0 ? passed : `${passed} ${format(values)}`);
  };
  return {
    time: (label: unknown = "default") => {
      if (begun.has(String(label))) return print("warn", `Timer '${String(label)}' already exists`);
      begun.set(String(label), performance.now());
    },
    timeLog,
    timeEnd: (label: unknown = "default") => {
      timeLog(label);
      begun.delete(String(label));
    },
  };
}

function grouping(print: Write, indent: () => Indent) {
  const group = (...values: unknown[]) => {
    if (values.length > 0) print("info", format(values));
    indent().depth += 1;
  };
  const groupEnd = () => {
    const of = indent();
    if (of.depth > 0) of.depth -= 1;
  };
  return { group, groupCollapsed: group, groupEnd };
}

function indented(text: string, depth: number): string {
  return depth === 0 ? text : text.replace(/^/gm, "  ".repeat(depth < 20 ? depth : 20));
}

/** Returns a `write` of a standard stream: `write(data)`, `write(data, done)` or `write(data, encoding, done)`. */
function writer(write: Write, level: Level): typeof process.stdout.write {
  return (data: Uint8Array | string, ...rest: unknown[]): boolean => {
    write(level, textOf(data).replace(/\n$/, ""));
    const done = rest.find((one) => typeof one === "function") as (() => void) | undefined;
    if (done !== undefined) queueMicrotask(done);
    return true;
  };
}

function textOf(data: Uint8Array | string): string {
  return typeof data === "string" ? data : new TextDecoder().decode(data);
}
