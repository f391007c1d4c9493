/** What the host refuses, as an error that says why. */

import { decodeText } from "./frames.ts";

/** `code` is stable: decide by it. `detail` says what to do next. Other members are those of the problem+json. */
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

/** For what the runtime refuses itself, without asking. */
export function callOver(): Problem {
  return new Problem({
    code: "call_over",
    status: 409,
    detail: "This works only while a call runs: await what you start, or hand it to ctx.waitUntil(promise).",
  });
}

export function argsTooLarge(): Problem {
  return new Problem({
    code: "payload_too_large",
    status: 413,
    detail: "What is asked (names, ids, an address with its headers) has at most 128 KiB, besides the body.",
  });
}
