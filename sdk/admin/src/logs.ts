/** The lines that functions wrote to the console: stored lines, and new lines as they arrive. */

import { type Listed, Problem } from "bunbase-js";
import { readJson } from "bunbase-js/internal";
import { type Connection, type PageCall, paged, search } from "./connection.js";
import { aborted, type FollowCall, Patience } from "./patience.js";

export type LogLevel = "debug" | "info" | "warn" | "error";

export interface LogLine {
  /** The number of the line. The number grows with every line of the project. */
  seq: number;
  at: string;
  function: string;
  version: number;
  level: LogLevel;
  text: string;
  truncated: boolean;
  invocation: string;
}

/**
 * A filter of lines. `level`: the lowest level of the lines. `q`: a text that the lines contain. `version`: the version
 * of the function, allowed only for one function.
 */
interface LogFilter {
  level?: LogLevel | undefined;
  q?: string | undefined;
  since?: Date | string | undefined;
  until?: Date | string | undefined;
  invocation?: string | undefined;
  version?: number | undefined;
}

export interface LogOptions extends LogFilter, PageCall {
  follow?: false | undefined;
  /** The number of lines after which the iterator ends. */
  most?: number | undefined;
}

export interface FollowOptions extends LogFilter, FollowCall {
  follow: true;
  /** The `seq` of the line after which to begin. By default, only new lines are yielded. */
  after?: number | undefined;
}

const MAX_EVENT = 1 << 20; // a limit for memory; every event of BunBase is much shorter
const SILENCE_MS = 45_000; // three heartbeats: the server sends one every 15 s

/** Yields the stored lines, the newest first. @internal */
export async function* stored(
  connection: Connection,
  address: string,
  { level, q, since, until, invocation, version, follow: _, most = Infinity, limit, cursor, ...call }: LogOptions,
): AsyncGenerator<LogLine, void, void> {
  const query = asked({ level, q, since, until, invocation, version });
  const page = (next: string | null) =>
    connection.read<Listed<LogLine>>(address + search({ ...query, limit: limit ?? Math.min(most, 500), cursor: next }), call);
  let left = most;
  if (left <= 0) return;
  for await (const line of paged(page, cursor)) {
    yield line;
    if (--left <= 0) return;
  }
}

/** Yields new lines until the loop is left or the signal is aborted. @internal */
export async function* followed(
  connection: Connection,
  address: string,
  { level, q, since, until, invocation, version, follow: _, after, patienceMs, ...call }: FollowOptions,
): AsyncGenerator<LogLine, void, void> {
  const query = asked({ level, q, since, until, invocation, version });
  const patience = new Patience({ ...call, patienceMs });
  for (;;) {
    try {
      // the position is read before the connection begins, because the connection may break before its first line
      after ??= (await connection.read<Listed<LogLine>>(address + search({ limit: 1 }), call)).items[0]?.seq ?? 0;
      const response = await connection.stream(address + search({ ...query, follow: true, after }), call);
      for await (const line of linesOf(response, call.signal)) {
        patience.answered();
        if (!line) continue;
        after = line.seq;
        yield line;
      }
      throw cut();
    } catch (problem) {
      await patience.after(problem);
    }
  }
}

function asked({ since, until, ...query }: LogFilter): Record<string, string | number | undefined> {
  const time = (one: Date | string | undefined) => (one instanceof Date ? one.toISOString() : one);
  return { ...query, since: time(since), until: time(until) };
}

/** Yields the lines of a stream of server-sent events, and undefined for each heartbeat. */
async function* linesOf(response: Response, signal: AbortSignal | undefined): AsyncGenerator<LogLine | undefined, void, void> {
  const reader = response.body!.getReader();
  const decoder = new TextDecoder();
  let text = "";
  try {
    for (;;) {
      const { done, value } = await read(reader, signal);
      if (done) return;
      text += decoder.decode(value, { stream: true });
      const events = text.split("\n\n");
      text = events.pop()!;
      if (text.length > MAX_EVENT)
        throw new Problem({ code: "unexpected_answer", detail: "The server sent a line that is too long. Is this BunBase?" });
      for (const event of events) yield lineOf(event);
    }
  } finally {
    void reader.cancel().catch(() => {});
  }
}

function lineOf(event: string): LogLine | undefined {
  const data = event.split("\n").find((one) => one.startsWith("data: "));
  return data ? (readJson(data.slice(6)) as LogLine) : undefined;
}

/** Reads a chunk of a stream. If no chunk arrives for too long, the stream counts as broken. */
async function read(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  signal: AbortSignal | undefined,
): Promise<ReadableStreamReadResult<Uint8Array>> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const silence = new Promise<never>((_, reject) => (timer = setTimeout(() => reject(cut()), SILENCE_MS)));
  try {
    return await Promise.race([reader.read(), silence]);
  } catch (cause) {
    if (signal?.aborted) throw aborted(signal.reason);
    throw Problem.is(cause) ? cause : cut(cause);
  } finally {
    clearTimeout(timer);
  }
}

function cut(cause?: unknown): Problem {
  return new Problem({ code: "network", detail: "The connection for new lines broke." }, { cause });
}
