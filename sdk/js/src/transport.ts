/**
 * Sends every request of the client, with headers, tokens, time limits, retries and problems.
 *
 * The life of one call: an aborted signal sends nothing → the body is written (or refused) → the client adds the user's
 * token, after a renewal if necessary → `fetch` → a 401 about the token renews it once and repeats the request once → a
 * failure that may pass repeats a request that is safe to repeat → the answer is read, within the same time.
 */

import type { Why } from "./auth/types.js";
import type { Call, ClientOptions } from "./call.js";
import { type Deadline, within } from "./deadline.js";
import { readJson, writeJson } from "./json.js";
import { invalidValue, Problem, type ProblemBody } from "./problem.js";
import { pauseBefore } from "./retry.js";

const TIMEOUT_MS = 30_000;
const RETRIES = 2;

/**
 * The source of the user's tokens. `current` returns a valid access token, or null if nobody is signed in. `renewed`
 * returns a new access token in place of `refused`.
 */
export interface Credentials {
  readonly ready: Promise<void>;
  readonly userId: string | undefined;
  /** The name of the session, if all tabs of the browser share the session. */
  readonly sharedAs: string | undefined;
  /**
   * Calls `hear` at once with each change of the user or the tokens, before anything else runs. Returns a function that
   * stops these calls.
   */
  follow(hear: (why: Why) => void): () => void;
  current(): Promise<string | null>;
  renewed(refused: string): Promise<string | null>;
}

/** @internal */
export interface Wanted {
  method: string;
  /** The path below the server's address, with its query. */
  path: string;
  /** The value that is sent as JSON. */
  body?: unknown;
  /** A body that is sent as it is, in place of `body`. */
  raw?: BodyInit | null | undefined;
  headers?: Record<string, string> | undefined;
  /** The token that is sent in place of the token of the signed-in user. With null, no token is sent. */
  token?: string | null | undefined;
  /** True if the request may be sent twice. */
  repeatable?: boolean;
  /** True if the caller reads the answer after the call. */
  streams?: boolean;
  /** True if the body has a filter as `where`. The client refuses `undefined` in this filter. */
  filters?: boolean;
  /** Sends the request in place of the client's `fetch`. */
  fetch?: typeof globalThis.fetch | undefined;
  /** Requests with the same sender act for one user. All attempts of a request have the same sender. */
  sender?: Sender | undefined;
}

/** The user of requests that belong together. The transport notes the user of the first attempt here. @internal */
export interface Sender {
  userId?: string | undefined;
}

export class Transport {
  readonly origin: string;
  credentials: Credentials | undefined;
  /**
   * The transport calls these functions after each successful answer, because the answer shows that the client can
   * reach the server. @internal
   */
  readonly answered = new Set<(wanted: Wanted) => void>();
  /** The sign-in of a live connection, in addition to the token. By default, `signIn` is the key. */
  declare signIn?: { readonly key?: string; readonly project?: string };

  constructor(
    url: string,
    readonly key: string,
    readonly options: ClientOptions,
    /** True for a client on servers, which takes a secret key. A client with a secret key refuses to run in a page. */
    secret?: boolean,
  ) {
    let parsed: URL | undefined;
    try {
      parsed = new URL(url);
    } catch {
      // the check below refuses this URL
    }
    // localhost:7070 has the protocol localhost:, and its requests would go to the page's own server
    if (!/^https?:$/.test(parsed?.protocol ?? "")) throw invalidValue("url", "Use an address such as https://example.com.");
    // a secret key may do everything, and everybody who has a page can read its key
    if (typeof key !== "string" || !key || (!secret && key.startsWith("sk_")))
      throw invalidValue("publishableKey", "Use the publishable key, which begins with pk_.");
    this.origin = parsed!.origin + parsed!.pathname.replace(/\/+$/, "");
  }

  /** Sends a request and returns its JSON, or undefined if the answer has none. Throws a Problem. @internal */
  json<T>(wanted: Wanted, call: Call = {}, onHeaders?: (headers: Headers) => void): Promise<T> {
    return this.sent(wanted, call, async (response, text) => {
      const answer = answerOf(response, await text());
      if (answer instanceof Problem) throw answer;
      onHeaders?.(response.headers);
      return answer as T;
    });
  }

  /** Sends a request; `read` makes the value of an answer, within the time of the call. @internal */
  sent<T>(
    wanted: Wanted,
    call: Call,
    read: (response: Response, text: () => Promise<string>) => Promise<T>,
  ): Promise<T> {
    return this.within(call, async (deadline) => {
      const body = wanted.body === undefined ? wanted.raw : writeJson(wanted.body, wanted.filters);
      const retries = wanted.repeatable ? (call.retries ?? this.options.retries ?? RETRIES) : 0;
      for (let attempt = 0; ; attempt++) {
        try {
          const response = await this.#authorized(wanted, body, call, deadline);
          if (response.ok) for (const hear of this.answered) hear(wanted);
          return await read(response, () => deadline.race(response.text()));
        } catch (error) {
          const problem = deadline.ended(error) ?? (Problem.is(error) ? error : this.lost(error));
          const pause = attempt < retries ? pauseBefore(attempt, problem) : undefined;
          if (pause === undefined) throw problem;
          await deadline.pause(pause);
        }
      }
    }, wanted.streams);
  }

  /** Runs `work` within the time of one call. @internal */
  within<T>(call: Call, work: (deadline: Deadline) => Promise<T>, streams?: boolean): Promise<T> {
    return within(call, call.timeoutMs ?? this.options.timeoutMs ?? TIMEOUT_MS, work, streams);
  }

  /** Reports a problem that no call can throw. @internal */
  report(problem: Problem): void {
    if (this.options.onProblem) this.options.onProblem(problem);
    else console.warn(`bunbase-js: ${problem.message}`, problem.cause ?? "");
  }

  async #authorized(wanted: Wanted, body: unknown, call: Call, deadline: Deadline): Promise<Response> {
    const { credentials } = this;
    const ofUser = credentials && wanted.token === undefined;
    const token = ofUser ? await deadline.race(this.#token(wanted, credentials)) : wanted.token;
    const response = await this.#fetch(wanted, body, call, deadline, token);
    if (response.status !== 401 || !ofUser || !token || isStream(body) || isOfFunction(response)) return response;
    const problem = answerOf(response, await deadline.race(response.clone().text()));
    if (!Problem.is(problem, "token_expired", "invalid_token")) return response;
    const renewed = await deadline.race(this.#token(wanted, credentials, token));
    return renewed ? this.#fetch(wanted, body, call, deadline, renewed) : response;
  }

  /**
   * After a sign-out, or a sign-in of another user, the client does not send a call (again), because the call would act
   * for the wrong user.
   */
  async #token(wanted: Wanted, credentials: Credentials, refused?: string): Promise<string | null> {
    await credentials.ready;
    const sender = (wanted.sender ??= {});
    if (!("userId" in sender)) sender.userId = credentials.userId;
    if (credentials.userId === sender.userId) {
      const token = await (refused ? credentials.renewed(refused) : credentials.current());
      if (credentials.userId === sender.userId) return token;
    }
    throw new Problem({ code: "aborted", detail: "The user of the call has signed out or changed." });
  }

  #fetch(wanted: Wanted, body: unknown, call: Call, { signal }: Deadline, token?: string | null): Promise<Response> {
    const { method, path, headers: own } = wanted;
    const headers: Record<string, string> = { ...this.options.headers, ...own, ...call.headers, "X-Bunbase-Key": this.key };
    if (token) headers.Authorization = `Bearer ${token}`;
    if (wanted.body !== undefined) headers["Content-Type"] = "application/json";
    try {
      new Headers(headers);
    } catch (cause) {
      throw invalidValue("headers", "HTTP cannot send this header.", cause);
    }
    // BunBase never redirects, and a redirect must not send a password to another server; only a function may redirect
    // (workerd does not support "error")
    const redirect = path.startsWith("/v1/functions/") ? "follow" : "manual";
    // Node and Chromium ask for `duplex` if the body is a stream
    const init = { method, headers, signal, body, redirect, duplex: "half" } as RequestInit;
    // `globalThis.fetch` is read at each call, so that tools which replace `fetch` see every request
    return (wanted.fetch ?? this.options.fetch ?? globalThis.fetch)(this.origin + path, init);
  }

  /** Returns the problem for a request without an answer. @internal */
  lost(cause: unknown): Problem {
    const { message, cause: deeper } = (cause ?? {}) as { message?: string; cause?: { message?: string; code?: string } };
    const reason = [message, deeper?.message || deeper?.code].filter(Boolean).join(": ");
    const detail = `${this.origin} could not be reached (${reason}). Check the address and the connection.`;
    return new Problem({ code: "network", detail }, { cause });
  }
}

/** Returns a path with each part escaped. An empty part, "." and ".." would lead to another path. @internal */
export function path(...parts: string[]): string {
  return parts
    .map((part) => {
      if (typeof part === "string" && !/^\.{0,2}$|[\ud800-\udfff]/u.test(part)) return `/${encodeURIComponent(part)}`;
      throw invalidValue("id", `${JSON.stringify(part)} is no id or name.`);
    })
    .join("");
}

/**
 * Returns a text that nobody can guess. The function also works in pages without https, where `crypto.randomUUID` is
 * missing.
 * @internal
 */
export function randomText(): string {
  return crypto.getRandomValues(new Uint32Array(4)).join("-");
}

/**
 * Returns the JSON value of an answer, undefined for an empty answer, or the Problem that the answer describes. An
 * answer of a function never counts as a problem of BunBase. @internal
 */
export function answerOf(response: Response, text: string): unknown {
  const { ok, status, headers } = response;
  let value: unknown;
  let cause: unknown;
  try {
    if (text && isJson(response)) value = readJson(text);
  } catch (error) {
    cause = error;
  }
  if (ok && (value !== undefined || !text)) return value;
  const after = Number.parseFloat(headers.get("Retry-After") ?? "");
  const options = { cause, retryAfterMs: after >= 0 ? after * 1000 : undefined };
  if (!ok && !isOfFunction(response) && isProblem(value)) return new Problem({ ...value, status }, options);
  const type = headers.get("Content-Type") ?? "no type";
  const detail = `This is no readable answer of BunBase: status ${status}, ${type}. Is a proxy in between?`;
  const request_id = headers.get("X-Request-Id") ?? undefined;
  return new Problem({ code: "unexpected_answer", status, detail, answer: value ?? text, request_id }, options);
}

/** True for the answers of a function itself. BunBase's own refusals do not have this header. @internal */
export function isOfFunction({ headers }: Response): boolean {
  return headers.has("X-Bunbase-Function-Version");
}

/** React Native has no `ReadableStream`, so `instanceof` cannot be used. */
function isStream(body: unknown): boolean {
  return Boolean((body as ReadableStream | undefined)?.getReader);
}

function isProblem(value: unknown): value is ProblemBody {
  return typeof (value as ProblemBody | null)?.code === "string";
}

/** @internal */
export function isJson(response: Response): boolean {
  return /[/+]json\b/.test(response.headers.get("Content-Type") ?? "");
}
