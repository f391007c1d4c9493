/** Decides whether the client sends a request again, and after how long. */

import type { Problem } from "./problem.js";

const FIRST_PAUSE_MS = 200;
const MAX_PAUSE_MS = 10_000;
const AGAIN: readonly number[] = [429, 502, 503, 504];
/**
 * Codes after which a retry is useless: a query that was too slow, or a response that was not ready in time, would take
 * as long again.
 */
const SLOW: readonly string[] = ["query_too_slow", "deadline_exceeded"];

/**
 * Returns the pause in milliseconds before the next try, or undefined if there is none. Call this only for requests
 * that may be repeated. If the server asks for a wait of more than ten seconds, the call throws at once, with
 * `retryAfterMs`. @internal
 */
export function pauseBefore(attempt: number, problem: Problem): number | undefined {
  const { code, status, retryAfterMs } = problem;
  const passes = code === "network" || code === "idempotency_busy" || (AGAIN.includes(status) && !SLOW.includes(code));
  // without a time to wait, the server will never have the state that the read asks for
  if (!passes || (code === "not_yet" && retryAfterMs === undefined)) return undefined;
  const ms = retryAfterMs ?? Math.min(FIRST_PAUSE_MS * 2 ** attempt, MAX_PAUSE_MS) * (0.5 + Math.random() / 2);
  return ms <= MAX_PAUSE_MS ? ms : undefined;
}
