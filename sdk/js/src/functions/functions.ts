/** The functions of the project. */

import type { Call, Json, WriteCall } from "../call.js";
import { invalidValue, Problem, type ProblemBody } from "../problem.js";
import { answerOf, isJson, isOfFunction, path, randomText, type Transport, type Wanted } from "../transport.js";

export interface InvokeOptions extends WriteCall {
  /** The HTTP method: POST by default. */
  method?: string | undefined;
  /** A path below the function, with a query: `/orders?open=true`. */
  path?: string | undefined;
}

export class Functions {
  readonly #transport: Transport;

  /** @internal */
  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /**
   * Calls a function with a JSON value, and returns its response: JSON, a text, or undefined for an empty response.
   * Throws a Problem `function_answer` if the status is not 2xx: `error.status` is then the status of the function, and
   * `error.body` is its response.
   *
   * A failed call is not repeated, because the function may have done its work. If you set `retries`, the client
   * repeats a failed call with an idempotency key: BunBase runs the function once, and repeats the response.
   *
   * ```ts
   * const { total } = await client.functions.invoke<{ total: number }>("checkout", { basket: "b1" });
   * ```
   */
  async invoke<R = unknown>(name: string, body?: Json, { method = "POST", path: below, ...call }: InvokeOptions = {}): Promise<R> {
    const { idempotencyKey = call.retries ? randomText() : undefined } = call;
    const headers: Record<string, string> = idempotencyKey ? { "Idempotency-Key": idempotencyKey } : {};
    const wanted: Wanted = { method, path: address(name, below), body, headers, repeatable: Boolean(call.retries) };
    return this.#transport.sent(wanted, call, async (response, text) => {
      const said = await text();
      const answer = !response.ok || isJson(response) ? answerOf(response, said) : said || undefined;
      if (answer instanceof Problem) throw !response.ok && isOfFunction(response) ? ownRefusal(answer) : answer;
      return answer as R;
    });
  }

  /**
   * Calls a function in the same way as `fetch`, with the key and the token of the user. You may send any body, and the
   * response may be a stream. The call throws only if there is no response. `timeoutMs` is the timeout for the start of
   * the response.
   *
   * ```ts
   * const response = await client.functions.fetch("report", { method: "GET", path: "/2026.pdf" });
   * ```
   */
  async fetch(name: string, { path: below, timeoutMs, retries: _, ...init }: FetchOptions = {}): Promise<Response> {
    const { method = "GET", body, signal, headers, duplex: __, ...rest } = init as FetchOptions & { duplex?: string };
    const [unknown] = Object.keys(rest);
    if (unknown) throw invalidValue(unknown, "This option of fetch is not sent.");
    const own = Object.fromEntries(new Headers(headers));
    const wanted: Wanted = { method, path: address(name, below), raw: body, headers: own, streams: true };
    return this.#transport.sent(wanted, { signal: signal ?? undefined, timeoutMs }, async (response) => response);
  }
}

export interface FetchOptions extends Omit<Call, "signal" | "headers">, RequestInit {
  path?: string | undefined;
}

/** Returns the problem of a status that the function itself has chosen. The code of the problem is always the same. */
function ownRefusal({ status, retryAfterMs, body: { answer, request_id } }: Problem): Problem {
  const said = answer as Record<"detail" | "message" | "error", string>;
  const texts = [said.detail, said.message, said.error, `The function answered with status ${status}.`];
  const detail = texts.find((text) => typeof text === "string" && text)!;
  return new Problem({ code: "function_answer", status, detail, request_id } as ProblemBody, { retryAfterMs, body: answer });
}

function address(name: string, below = ""): string {
  const own = `/v1/functions${path(name)}`;
  const whole = `${own}${/^[/?]/.test(below) || !below ? below : `/${below}`}`;
  // if somebody else has chosen the path, its dots must not lead to another function or to another part of the API
  const { pathname } = new URL(whole, "http://x");
  if (pathname !== own && !pathname.startsWith(`${own}/`)) throw invalidValue("path", "It leads out of the function.");
  return whole;
}
