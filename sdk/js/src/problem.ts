/** The only class of errors of this client. */

import type { ProblemCode } from "./problem_codes.js";

const BRAND = Symbol.for("bunbase.Problem");

/** The members of an error answer (RFC 9457), and of errors that this client raises itself. */
export interface ProblemBody {
  code: ProblemCode;
  detail?: string;
  title?: string;
  status?: number;
  request_id?: string | undefined;
  errors?: readonly { path: string; message: string }[];
  [member: string]: unknown;
}

/**
 * An error of a call. `code` never changes between versions, so programs can depend on it. `message` is for people, and
 * explains what to do next. Errors of the server and of this client (`network`, `timeout`, `aborted`, `invalid_value`,
 * …)
 * have the same shape; `status` is 0 if there was no answer.
 *
 * ```ts
 * try {
 *   await client.data.collection("posts").get("first");
 * } catch (error) {
 *   if (Problem.is(error, "document_not_found")) console.log("There is no such post.");
 *   else throw error;
 * }
 * ```
 */
export class Problem extends Error {
  override readonly name = "Problem";
  readonly code: ProblemCode;
  /** The status of the answer, or 0 if there was none. */
  readonly status: number;
  /** An explanation for people, with the next step. */
  readonly detail: string;
  /** The id of the request, which also appears in the server's log. */
  readonly requestId: string | undefined;
  /** The time that the server asks to wait before the next try. */
  readonly retryAfterMs: number | undefined;
  /** The wrong values, each with its JSON Pointer or name. */
  readonly errors: readonly { path: string; message: string }[] | undefined;
  /**
   * All members of the answer, for example `challenge` and `methods` of `second_factor_required`. With the code
   * `function_answer`, `body` is the response of the function: its JSON value, which may also be a list, or its text.
   */
  readonly body: Readonly<Record<string, unknown>>;

  constructor(body: ProblemBody, options: { cause?: unknown; retryAfterMs?: number | undefined; body?: unknown } = {}) {
    super(body.detail ?? body.title ?? body.code, options);
    this.code = body.code;
    this.status = body.status ?? 0;
    this.detail = this.message;
    this.requestId = body.request_id;
    this.retryAfterMs = options.retryAfterMs;
    this.errors = body.errors;
    this.body = (options.body ?? body) as Record<string, unknown>;
  }

  /** @internal */
  get [BRAND](): true {
    return true;
  }

  /**
   * True if a value is a Problem, even a Problem of another copy of this package. With `codes`, the code of the Problem
   * must be one of these codes.
   *
   * ```ts
   * if (Problem.is(error, "stale_revision", "document_exists")) await reload();
   * ```
   */
  static is(error: unknown, ...codes: ProblemCode[]): error is Problem {
    const found = typeof error === "object" && error !== null && BRAND in error;
    return found && (!codes.length || codes.includes((error as unknown as Problem).code));
  }
}

/** Returns the error for a value that cannot be sent. `path` is a JSON Pointer. @internal */
export function invalidValue(path: string, message: string, cause?: unknown): Problem {
  const errors = [{ path, message }];
  return new Problem({ code: "invalid_value", detail: `${path || "The value"}: ${message}`, errors }, { cause });
}
