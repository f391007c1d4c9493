/**
 * Every request of the client: headers, tokens, time, retries, and problems.
 *
 * The life of one call: an aborted signal sends nothing → the body is written (or refused) → the user's token is
 * attached, renewed if need be → `fetch` → a 401 about the token renews it once and repeats the request once → a
 * failure that may pass repeats a request that is safe to repeat → the answer is read, within the same time.
 */

import type { Call, ClientOptions } from "./call.js";
import { type Deadline, within } from "./deadline.js";
import { readJson, writeJson } from "./json.js";
import { invalidValue, Problem, type ProblemBody } from "./problem.js";
import { pauseBefore } from "./retry.js";

const TIMEOUT_MS = 30_000;
const RETRIES = 2;

/** The user's tokens. `current`: a valid access token, or null if nobody is signed in. `renewed`: another one than `refused`. */
export interface Credentials {
  current(): Promise<string | null>;
  renewed(refused: string): Promise<string | null>;
}

/** @internal */
export interface Wanted {
  method: string;
  /** The path below the server's address, with its query. */
  path: string;
  /** Sent as JSON. */
  body?: unknown;
  /** A body that is sent as it is, in place of `body`. */
  raw?: BodyInit | null | undefined;
  headers?: Record<string, string> | undefined;
  /** `user`: the token of the signed-in user is sent. Another text is itself the token. */
  as?: "user" | "nobody" | { token: string };
  /** True if the request may be sent twice. */
  repeatable?: boolean;
}

export class Transport {
  readonly origin: string;
  credentials: Credentials | undefined;

  constructor(
    url: string,
    readonly key: string,
    readonly options: ClientOptions,
  ) {
    let parsed;
    try {
      parsed = new URL(url);
    } catch (cause) {
      throw invalidValue("url", `${JSON.stringify(url)} is no address such as https://api.example.com.`, cause);
    }
    // a secret key would be read by everybody who has the page
    if (typeof key !== "string" || !key || (key.startsWith("sk_") && "document" in globalThis))
      throw invalidValue("publishableKey", "Use the publishable key, which begins with pk_.");
    this.origin = parsed.origin + parsed.pathname.replace(/\/+$/, "");
  }

  /** Sends a request and returns its JSON, or undefined if the answer has none. Throws a Problem. @internal */
  json<T>(wanted: Wanted, call: Call = {}, onHeaders?: (headers: Headers) => void): Promise<T> {
    return this.sent(wanted, call, async (response, text) => {
      const answer = await text();
      if (!response.ok) throw problemOf(response, answer);
      onHeaders?.(response.headers);
      return parsed(response, answer) as T;
    });
  }

  /** Sends a request; `read` makes the value of an answer, within the time of the call. @internal */
  sent<T>(
    wanted: Wanted,
    call: Call,
    read: (response: Response, text: () => Promise<string>) => Promise<T>,
  ): Promise<T> {
    return this.within(call, async (deadline) => {
      const body = wanted.body === undefined ? wanted.raw : writeJson(wanted.body);
      const retries = wanted.repeatable ? (call.retries ?? this.options.retries ?? RETRIES) : 0;
      for (let attempt = 0; ; attempt++) {
        try {
          const response = await this.#authorized(wanted, body, call, deadline);
          return await read(response, () => deadline.race(response.text()));
        } catch (error) {
          const problem = deadline.ended(error) ?? (Problem.is(error) ? error : this.#unreachable(error));
          const pause = attempt < retries ? pauseBefore(attempt, problem) : undefined;
          if (pause === undefined) throw problem;
          await deadline.pause(pause);
        }
      }
    });
  }

  /** Runs `work` within the time of one call. @internal */
  within<T>(call: Call, work: (deadline: Deadline) => Promise<T>): Promise<T> {
    return within(call, call.timeoutMs ?? this.options.timeoutMs ?? TIMEOUT_MS, work);
  }

  /** Reports a problem that no call can throw. @internal */
  report(problem: Problem): void {
    if (this.options.onProblem) this.options.onProblem(problem);
    else console.warn(`bunbase-js: ${problem.message}`, problem.cause ?? "");
  }

  async #authorized(wanted: Wanted, body: unknown, call: Call, deadline: Deadline): Promise<Response> {
    const { as = "user" } = wanted;
    let token = typeof as === "object" ? as.token : null;
    if (as === "user" && this.credentials) token = await deadline.race(this.credentials.current());
    const response = await this.#fetch(wanted, body, call, deadline, token);
    if (response.status !== 401 || as !== "user" || !token || body instanceof ReadableStream) return response;
    const problem = problemOf(response, await deadline.race(response.clone().text()));
    if (problem.code !== "token_expired" && problem.code !== "invalid_token") return response;
    token = await deadline.race(this.credentials!.renewed(token));
    return token ? this.#fetch(wanted, body, call, deadline, token) : response;
  }

  #fetch(wanted: Wanted, body: unknown, call: Call, { signal }: Deadline, token: string | null): Promise<Response> {
    const headers: Record<string, string> = { ...this.options.headers, ...wanted.headers, ...call.headers };
    headers["X-Bunbase-Key"] = this.key;
    if (token) headers.Authorization = `Bearer ${token}`;
    if (wanted.body !== undefined) headers["Content-Type"] = "application/json";
    const init: RequestInit = { method: wanted.method, headers, signal };
    if (body !== undefined && body !== null) init.body = body as BodyInit;
    if (body instanceof ReadableStream) Object.assign(init, { duplex: "half" }); // Node and Chromium ask for it
    // read at each call, so that programs that watch fetch see every request
    return (this.options.fetch ?? globalThis.fetch)(this.origin + wanted.path, init);
  }

  #unreachable(cause: unknown): Problem {
    const { message, cause: deeper } = (cause ?? {}) as { message?: string; cause?: { message?: string; code?: string } };
    const reason = [message, deeper?.message || deeper?.code].filter(Boolean).join(": ");
    const detail = `${this.origin} could not be reached (${reason}). Check the address and the connection.`;
    return new Problem({ code: "network", detail }, { cause });
  }
}

/** Returns a path with each part escaped. @internal */
export function path(...parts: string[]): string {
  return parts.map((part) => `/${encodeURIComponent(part)}`).join("");
}

/** Returns `?name=value&…` without what is undefined, or "". @internal */
export function search(values: Record<string, string | number | boolean | null | undefined>): string {
  const given = Object.entries(values).filter(([, value]) => value !== undefined && value !== null) as [string, string][];
  return given.length ? `?${new URLSearchParams(given)}` : "";
}

/** Returns a text that nobody can guess. It also works in pages without https, where `crypto.randomUUID` is missing. @internal */
export function randomText(bytes = 16): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(bytes)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function parsed(response: Response, text: string): unknown {
  let cause;
  try {
    if (!text || isJson(response)) return text ? readJson(text) : undefined;
  } catch (error) {
    cause = error;
  }
  throw unexpected(response, text, cause);
}

/** Returns the problem of an answer that is not successful. @internal */
export function problemOf(response: Response, text: string): Problem {
  let body: unknown;
  try {
    if (isJson(response)) body = readJson(text);
  } catch {
    // the answer is then described by its status alone
  }
  const after = Number.parseFloat(response.headers.get("Retry-After") ?? "");
  const retryAfterMs = after >= 0 ? after * 1000 : undefined;
  const { status } = response;
  if (isProblem(body)) return new Problem({ ...body, status }, { retryAfterMs });
  return unexpected(response, body ?? text, undefined, retryAfterMs);
}

function isProblem(body: unknown): body is ProblemBody {
  return typeof body === "object" && body !== null && "code" in body && typeof body.code === "string";
}

function unexpected(response: Response, answer: unknown, cause?: unknown, retryAfterMs?: number): Problem {
  const { status, headers } = response;
  const type = headers.get("Content-Type") ?? "no type";
  const ofFunction = headers.has("X-Bunbase-Function-Version");
  const detail = ofFunction
    ? `The function answered with status ${status}.`
    : `The answer is not from BunBase: status ${status}, ${type}. Is a proxy or a login page in between?`;
  const code = ofFunction ? "function_answer" : "unexpected_answer";
  const request_id = headers.get("X-Request-Id") ?? undefined;
  return new Problem({ code, status, detail, answer, request_id }, { cause, retryAfterMs });
}

/** @internal */
export function isJson(response: Response): boolean {
  return /[/+]json\b/.test(response.headers.get("Content-Type") ?? "");
}
