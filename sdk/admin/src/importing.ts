/**
 * Imports of any length, in parts. A single streaming request would be worse: some HTTP clients keep its whole body in
 * memory, and a broken connection would lose the whole import. If a part is lost, the client can send it again.
 *
 * If a line refers to a document in a later part, the client keeps the line and sends it again at the end.
 */

import { type Call, Problem } from "bunbase-js";
import type { Connection } from "./connection.js";
import { joined, type Lines, offset, type Part, partsOf } from "./parts.js";

/** A refused line. `line`: its number, counted from 1. */
export interface LineError {
  line: number;
  code: string;
  detail: string;
}

/** @internal */
export interface Totals {
  imported: number;
  skipped: number;
  failed: number;
  updated?: number;
  last_line: number;
  errors: LineError[];
  unresolved?: number[];
}

/** @internal */
export interface Importing extends Call {
  fromLine?: number | undefined;
  onError?: ((error: LineError) => void) | undefined;
  /** True if a part may be sent twice. */
  repeatable: boolean;
}

interface Kept {
  number: number;
  bytes: Uint8Array<ArrayBuffer>;
}

const TYPE = "application/x-ndjson";
const PART_MS = 120_000;
const MAX_ERRORS = 1000;
const KEPT_BYTES = 16 << 20;
const MAX_ROUNDS = 32; // if documents refer to each other in a chain, several rounds are necessary

/** Sends lines, and returns the sum of the answers. @internal */
export async function imported<T>(connection: Connection, address: string, lines: Lines, options: Importing): Promise<T> {
  const { fromLine = 1, onError, repeatable, ...call } = options;
  const send = (raw: Uint8Array<ArrayBuffer>) => {
    const wanted = { method: "POST", path: address, raw, headers: { "Content-Type": TYPE }, repeatable };
    return connection.send<Totals>(wanted, { timeoutMs: PART_MS, ...call });
  };
  const running = new RunningImport(send, onError);
  for await (const part of partsOf(lines, fromLine)) await running.add(part);
  await running.end();
  return running.done as T;
}

class RunningImport {
  done: Totals | undefined;
  #kept: Kept[] = [];
  #room = KEPT_BYTES;

  constructor(
    readonly send: (bytes: Uint8Array<ArrayBuffer>) => Promise<Totals>,
    readonly onError: ((error: LineError) => void) | undefined,
  ) {}

  async add(part: Part): Promise<void> {
    let answer;
    try {
      answer = await this.send(part.bytes);
    } catch (problem) {
      throw stopped(problem, part.first - 1);
    }
    const numbered = renumbered(answer, (line) => part.first - 1 + line);
    const waiting = this.#keep(part, numbered.unresolved ?? []);
    this.#count(without(numbered, waiting));
  }

  async end(): Promise<void> {
    if (!this.done) this.#count(await this.send(new Uint8Array())); // the names of the counts come from the answer
    for (let round = 0; this.#kept.length && round < MAX_ROUNDS; round++) {
      const sent = this.#kept;
      const size = sent.reduce((sum, { bytes }) => sum + bytes.length, 0);
      const answer = await this.send(joined(sent.map(({ bytes }) => bytes), size));
      const numbered = renumbered(answer, (line) => sent[line - 1]?.number ?? 0);
      const waiting = new Set(numbered.unresolved);
      const isLast = waiting.size === sent.length || round === MAX_ROUNDS - 1;
      this.#kept = isLast ? [] : sent.filter(({ number }) => waiting.has(number));
      this.#count(isLast ? numbered : without(numbered, waiting));
    }
  }

  /** Keeps lines that refer to a missing document, up to a limit of memory. Returns the numbers of the kept lines. */
  #keep({ bytes, first }: Part, numbers: readonly number[]): Set<number> {
    const kept = new Set<number>();
    for (const number of numbers) {
      const start = offset(bytes, number - first);
      const line = bytes.slice(start, start + offset(bytes.subarray(start), 1));
      if (line.length >= this.#room) continue;
      this.#room -= line.length;
      kept.add(number);
      const isWhole = line[line.length - 1] === 10;
      this.#kept.push({ number, bytes: isWhole ? line : joined([line, new Uint8Array([10])], line.length + 1) });
    }
    return kept;
  }

  #count(more: Totals): void {
    if (this.onError) for (const error of more.errors) this.onError(error);
    const { done } = this;
    if (!done) return void (this.done = more);
    done.imported += more.imported;
    done.skipped += more.skipped;
    done.failed += more.failed;
    if (more.updated !== undefined) done.updated = (done.updated ?? 0) + more.updated;
    done.last_line = Math.max(done.last_line, more.last_line);
    done.errors.push(...more.errors.slice(0, MAX_ERRORS - done.errors.length));
    if (more.unresolved) done.unresolved = [...(done.unresolved ?? []), ...more.unresolved];
  }
}

function renumbered(answer: Totals, number: (line: number) => number): Totals {
  const errors = answer.errors.map((error) => ({ ...error, line: number(error.line) }));
  const last_line = answer.last_line && number(answer.last_line);
  return { ...answer, errors, last_line, ...(answer.unresolved && { unresolved: answer.unresolved.map(number) }) };
}

/** Returns an answer without the lines that the client will send again. */
function without(answer: Totals, lines: ReadonlySet<number>): Totals {
  const errors = answer.errors.filter(({ line }) => !lines.has(line));
  const unresolved = answer.unresolved?.filter((line) => !lines.has(line));
  return { ...answer, errors, failed: answer.failed - lines.size, ...(unresolved && { unresolved }) };
}

/** Returns the problem of an import that stops, with the last line that was processed. */
function stopped(problem: unknown, before: number): unknown {
  if (!Problem.is(problem)) return problem;
  const last = before + (Number(problem.body["last_line"]) || 0);
  const next = last ? ` All lines up to ${last} were processed. To continue: fromLine ${last + 1}.` : "";
  const { code, status, retryAfterMs } = problem;
  return new Problem({ ...problem.body, code, status, detail: problem.detail + next, last_line: last }, { cause: problem, retryAfterMs });
}
