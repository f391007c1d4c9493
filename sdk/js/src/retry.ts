/** The decision whether a request is sent again, and after how long. */

import type { Problem } from "./problem.js";

const FIRST_PAUSE_MS = 200;
const MAX_PAUSE_MS = 10_000;
const AGAIN: readonly number[] = [429, 502, 503, 504];

/**
 * Returns the pause in milliseconds before the next try, or undefined if there is none. Only for requests that may be
 * repeated. An answer that asks for a longer wait than ten seconds is thrown at once, with `retryAfterMs`. @internal
 */
export function pauseBefore(attempt: number, problem: Problem): number | undefined {
  const { code, status, retryAfterMs } = problem;
  // a query that was too slow, or an answer that was not ready in time, would only take its time again
  if (code === "query_too_slow" || code === "deadline_exceeded") return undefined;
  // without a time, the state that the read asks for will never come
  if (code === "not_yet" && retryAfterMs === undefined) return undefined;
  if (code !== "network" && code !== "idempotency_busy" && !AGAIN.includes(status)) return undefined;
  if (retryAfterMs !== undefined) return retryAfterMs <= MAX_PAUSE_MS ? retryAfterMs : undefined;
  return Math.min(FIRST_PAUSE_MS * 2 ** attempt, MAX_PAUSE_MS) * (0.5 + Math.random() / 2);
}
