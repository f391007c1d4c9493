/**
 * Every request of the client: headers, tokens, time, retries, and problems.
 *
 * The life of one call: an aborted signal sends nothing → the body is written (or refused) → the user's token is
 * attached, renewed if need be → `fetch` → a 401 about the token renews it once and repeats the request once → a
 * failure that may pass repeats a request that is safe to repeat → the answer is read, within the same time.
 */

import type { Call, ClientOptions } from "./call.js";
import { Deadline } from "./deadline.js";
import { readJson, writeJson } from "./json.js";
import { invalidValue, Problem, type ProblemBody } from "./problem.js";
import { pauseBefore } from "./retry.js";

const TIMEOUT_MS = 30_000;
const RETRIES = 2;

/** The user's tokens. `current`: a valid access token, or null if nobody is signed in. `renewed`: another one than `refused`. */
export interface Credentials {
  readonly ready: Promise<void>;
  readonly userId: string | undefined;
  listen(hear: () => unknown): () => void;
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
  /** The user at the first attempt, which the transport notes here. All attempts are of one user. */
  sender?: string | undefined;
}

export class Transport {
  readonly origin: string;
  credentials: Credentials | undefined;

  constructor(
    url: string,
    readonly key: string,
    readonly options: ClientOptions,
  ) {
    const parsed = addressOf(url);
    // localhost:7070 has the protocol localhost:, and its requests would go to the page's own server
    if (!/^https?:$/.test(parsed.protocol)) throw noAddress(url);
    if (typeof key !== "string" || !key) throw invalidValue("publishableKey", "The key is missing.");
    if (key.startsWith("sk_") && "document" in globalThis)
      throw invalidValue("publishableKey", "This is a secret key. In a page, use the publishable key (pk_…).");
    this.origin = parsed.origin + parsed.pathname.replace(/\/+$/, "");
  }

  /** Sends a request and returns its JSON, or undefined if the answer has none. Throws a Problem. @internal */
  json<T>(wanted: Wanted, call: Call = {}, onHeaders?: (headers: Headers) => void): Promise<T> {
    return this.sent(wanted, call, async (response, text) => {
      onHeaders?.(response.headers);
      return parsed(response, await text()) as T;
    });
  }

  /** Sends a request; `read` makes the value of a successful answer, within the time of the call. @internal */
  async sent<T>(
    wanted: Wanted,
    call: Call,
    read: (response: Response, text: () => Promise<string>) => Promise<T>,
  ): Promise<T> {
    const deadline = this.deadline(call);
    try {
      const body = wanted.body === undefined ? wanted.raw : writeJson(wanted.body);
      const retries = wanted.repeatable ? (call.retries ?? this.options.retries ?? RETRIES) : 0;
      for (let attempt = 0; ; attempt++) {
        try {
          const response = await this.#authorized(wanted, body, call, deadline);
          const text = () => deadline.race(response.text());
          if (!response.ok) throw problemOf(response, await text());
          return await read(response, text);
        } catch (error) {
          const problem = deadline.ended(error) ?? (Problem.is(error) ? error : this.#unreachable(error));
          const pause = attempt < retries ? pauseBefore(attempt, problem) : undefined;
          if (pause === undefined) throw problem;
          await deadline.pause(pause);
        }
      }
    } finally {
      deadline.done();
    }
  }

  /** Sends a request and returns the answer as it is, whatever its status. The answer may stream after the time. @internal */
  async raw(wanted: Wanted, call: Call): Promise<Response> {
    const deadline = this.deadline(call);
    try {
      return await this.#authorized(wanted, wanted.raw, call, deadline);
    } catch (error) {
      throw deadline.ended(error) ?? (Problem.is(error) ? error : this.#unreachable(error));
    } finally {
      deadline.done();
    }
  }

  /** @internal */
  deadline(call: Call): Deadline {
    return new Deadline(call, call.timeoutMs ?? this.options.timeoutMs ?? TIMEOUT_MS);
  }

  /** Reports a problem that no call can throw. @internal */
  report(problem: Problem): void {
    if (this.options.onProblem) this.options.onProblem(problem);
    else console.warn(`bunbase-js: ${problem.message}`, problem.cause ?? "");
  }

  async #authorized(wanted: Wanted, body: unknown, call: Call, deadline: Deadline): Promise<Response> {
    const { as = "user" } = wanted;
    let token = typeof as === "object" ? as.token : null;
    if (as === "user" && this.credentials) token = await deadline.race(this.#token(wanted, this.credentials));
    const response = await this.#fetch(wanted, body, call, deadline, token);
    if (response.status !== 401 || as !== "user" || !token || body instanceof ReadableStream || isOfFunction(response)) return response;
    const problem = problemOf(response, await deadline.race(response.clone().text()));
    if (problem.code !== "token_expired" && problem.code !== "invalid_token") return response;
    token = await deadline.race(this.#token(wanted, this.credentials!, token));
    return token ? this.#fetch(wanted, body, call, deadline, token) : response;
  }

  /** After a sign-out, or a sign-in of another user, a call is not sent (again): it would act for the wrong one. */
  async #token(wanted: Wanted, credentials: Credentials, refused?: string): Promise<string | null> {
    await credentials.ready;
    if (!("sender" in wanted)) wanted.sender = credentials.userId;
    const token = await (refused ? credentials.renewed(refused) : credentials.current());
    if (credentials.userId === wanted.sender) return token;
    throw new Problem({ code: "aborted", detail: "The call was ended, because its user has signed out or changed." });
  }

  #fetch(wanted: Wanted, body: unknown, call: Call, { signal }: Deadline, token: string | null): Promise<Response> {
    const headers: Record<string, string> = { ...this.options.headers, ...wanted.headers, ...call.headers };
    headers["X-Bunbase-Key"] = this.key;
    if (token) headers.Authorization = `Bearer ${token}`;
    if (wanted.body !== undefined) headers["Content-Type"] = "application/json";
    const init: RequestInit = { method: wanted.method, headers, signal };
    // BunBase never redirects, and whoever does must not get a password; a function may redirect ("error" is unknown to workerd)
    if (!wanted.path.startsWith("/v1/functions/")) init.redirect = "manual";
    try {
      new Headers(headers);
    } catch (cause) {
      throw invalidValue("headers", "HTTP cannot send this header.", cause);
    }
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

/** @internal */
export function addressOf(url: string): URL {
  try {
    return new URL(url);
  } catch {
    throw noAddress(url);
  }
}

function noAddress(url: string): Problem {
  return invalidValue("url", `${JSON.stringify(url)} is no address such as https://api.example.com.`);
}

/** Returns a path with each part escaped. An empty part, "." and ".." would lead to another path. @internal */
export function path(...parts: string[]): string {
  return parts
    .map((part) => {
      if (typeof part !== "string" || /^\.{0,2}$|[\ud800-\udfff]/u.test(part)) throw invalidValue("id", `${JSON.stringify(part)} is no id or name.`);
      return `/${encodeURIComponent(part)}`;
    })
    .join("");
}

/** Returns `?name=value&…` without what is undefined, or "". @internal */
export function search(values: Record<string, string | number | boolean | null | undefined>): string {
  const given = Object.entries(values).filter(([, value]) => value !== undefined && value !== null);
  return given.length ? `?${new URLSearchParams(given.map(([name, value]) => [name, String(value)]))}` : "";
}

/** Returns a text that nobody can guess. It also works in pages without https, where `crypto.randomUUID` is missing. @internal */
export function randomText(bytes = 16): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(bytes)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function parsed(response: Response, text: string): unknown {
  if (!text) return undefined;
  if (isJson(response)) {
    try {
      return readJson(text);
    } catch (cause) {
      throw unexpected(response, text, cause);
    }
  }
  throw unexpected(response, text);
}

/** Returns the problem of an answer that is not successful. @internal */
export function problemOf(response: Response, text: string): Problem {
  let body: unknown;
  if (isJson(response)) {
    try {
      body = readJson(text);
    } catch {
      // the answer is then described by its status alone
    }
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
  const ofFunction = isOfFunction(response);
  const detail = ofFunction
    ? `The function answered with status ${status}.`
    : `The answer is not from BunBase: status ${status}, ${type}. Is a proxy or a login page in between?`;
  const request_id = headers.get("X-Request-Id") ?? undefined;
  const body: ProblemBody = { code: ofFunction ? "function_answer" : "unexpected_answer", status, detail, answer };
  return new Problem(request_id ? { ...body, request_id } : body, { cause, retryAfterMs });
}

function isOfFunction({ headers }: Response): boolean {
  return headers.has("X-Bunbase-Function-Version");
}

/** @internal */
export function isJson(response: Response): boolean {
  return /[/+]json\b/.test(response.headers.get("Content-Type") ?? "");
}
