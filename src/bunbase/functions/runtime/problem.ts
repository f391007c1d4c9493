/** The host's refusals as errors that a function can catch. */

import { decodeText } from "./frames.ts";

/** A problem+json as an error. `code` never changes, so programs can depend on it. `detail` explains the next step. */
export class Problem extends Error {
  readonly code: string;
  readonly status: number;
  readonly detail: string;

  constructor(body: Record<string, unknown>) {
    const { code, status, detail, title, type: _type, ...extra } = body;
    super(`${String(detail ?? title)} (${String(code)})`);
    Object.assign(this, extra);
    this.name = "Problem";
    this.code = String(code);
    this.status = Number(status);
    this.detail = String(detail ?? title);
  }
}

export function problemOf(payload: Uint8Array): Problem {
  return new Problem(JSON.parse(decodeText(payload)) as Record<string, unknown>);
}

/**
 * Returns the problem for an ask without a running call. The runtime refuses such an ask without sending it to the
 * host.
 */
export function callOver(): Problem {
  return new Problem({
    code: "call_over",
    status: 409,
    detail: "This works only during a call. Await each promise, or pass it to ctx.waitUntil(promise).",
  });
}

export function argsTooLarge(): Problem {
  return new Problem({
    code: "payload_too_large",
    status: 413,
    detail: "The arguments (names, ids, an address with its headers) must be at most 128 KiB, not counting the body.",
  });
}
