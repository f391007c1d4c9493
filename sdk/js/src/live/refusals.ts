/**
 * Decides whether the client sends a failed write again. All later writes wait for the first waiting write, because
 * they may depend on it. So a write that the server can never accept must end, and a write that fails for another
 * reason must stay. docs/decisions/0108 has the reasons.
 */

import type { Problem } from "../problem.js";
import type { LocalWrite } from "./overlay.js";

/**
 * The failures whose cause may be the write itself, as the cache keeps them. `since`: the time of the first failure, as
 * RFC 3339.
 */
export interface Failures {
  readonly tries: number;
  readonly since: string;
}

/** The first waiting write and the reason why the server does not accept it. */
export interface Stuck {
  readonly write: Pick<LocalWrite, "op" | "collection" | "id" | "data">;
  readonly problem: Problem;
}

const COME_AGAIN: readonly number[] = [408, 425, 429];
/**
 * Codes after which it is not known what the server did. `unexpected_answer`: a proxy, a portal or a CDN has answered,
 * or the answer was cut off.
 */
const UNANSWERED: readonly string[] = ["network", "timeout", "aborted", "idempotency_busy", "unexpected_answer"];
const TOO_LARGE = 413; // a proxy may send this status too, and would refuse the write each time
const NOT_SUPPORTED = 501;
/**
 * The limit of attempts if a function refuses the write. The function will probably refuse it again, unless a service
 * that the function calls has failed.
 */
const TRIES_OF_FUNCTION = 3;
const TRIES_OF_SERVER = 5;
const SERVER_MS = 60_000;
/**
 * Causes of `before_write_busy` that one document can produce at every attempt: an endless loop, or too much memory.
 */
const OF_CALL: readonly unknown[] = ["function_timeout", "function_cpu_exceeded", "function_crashed"];

/**
 * Returns `refused` if the write ends with this problem. Returns `blamed` if the write itself may be the cause: the
 * attempt then counts as a failure of the write. Returns `waits` if the client sends the write again without a limit.
 * @internal
 */
export function fateOf(problem: Problem, before: Failures | undefined, now = Date.now()): "refused" | "blamed" | "waits" {
  const { code, status } = problem;
  if (status === TOO_LARGE) return "refused";
  if (UNANSWERED.includes(code) || COME_AGAIN.includes(status)) return "waits";
  if (status < 500 || status === NOT_SUPPORTED) return "refused";
  const { tries, since } = failedAgain(before, now);
  if (code === "before_write_failed") return tries >= TRIES_OF_FUNCTION ? "refused" : "blamed";
  const isBlamed = status === 500 ? code !== "data_unreadable" : code === "deadline_exceeded" || (code === "before_write_busy" && OF_CALL.includes(problem.body.cause));
  if (!isBlamed) return "waits";
  const passed = now - Date.parse(since);
  return tries >= TRIES_OF_SERVER && passed >= SERVER_MS ? "refused" : "blamed";
}

/** Returns the failures with one added. @internal */
export function failedAgain(before: Failures | undefined, now = Date.now()): Failures {
  return { tries: (before?.tries ?? 0) + 1, since: before?.since ?? new Date(now).toISOString() };
}

/** True if a value of the cache has the form of failures. Earlier versions stored no failures. @internal */
export function areFailures(value: unknown): boolean {
  if (value === undefined) return true;
  const { tries, since } = Object(value) as Record<string, unknown>;
  return Number.isSafeInteger(tries) && !Number.isNaN(Date.parse(String(since)));
}
