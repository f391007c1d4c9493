/** The decision whether a request is sent again, and after how long. */

import type { Problem } from "./problem.js";

const FIRST_PAUSE_MS = 200;
const MAX_PAUSE_MS = 10_000;
const AGAIN: readonly number[] = [429, 502, 503, 504];
/** A query that was too slow, or an answer that was not ready in time, would only take its time again. */
const SLOW: readonly string[] = ["query_too_slow", "deadline_exceeded"];

/**
 * Returns the pause in milliseconds before the next try, or undefined if there is none. Only for requests that may be
 * repeated. An answer that asks for a longer wait than ten seconds is thrown at once, with `retryAfterMs`. @internal
 */
export function pauseBefore(attempt: number, problem: Problem): number | undefined {
  const { code, status, retryAfterMs } = problem;
  const passes = code === "network" || code === "idempotency_busy" || (AGAIN.includes(status) && !SLOW.includes(code));
  // without a time, the state that a read asks for will never come
  if (!passes || (code === "not_yet" && retryAfterMs === undefined)) return undefined;
  const ms = retryAfterMs ?? Math.min(FIRST_PAUSE_MS * 2 ** attempt, MAX_PAUSE_MS) * (0.5 + Math.random() / 2);
  return ms <= MAX_PAUSE_MS ? ms : undefined;
}
