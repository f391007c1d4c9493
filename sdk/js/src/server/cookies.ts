/**
 * A client for one request to a server that renders pages. The session is in the cookie that BunBase sets (cookie
 * mode). Your server passes the cookie to BunBase, and passes new cookies to the browser. The client keeps no token and
 * renews nothing. BunBase replaces the cookie, and returns the same new cookie to parallel requests, so parts of a page
 * may be rendered at the same time.
 */

import type { User } from "../auth/types.js";
import type { Call, ClientOptions } from "../call.js";
import { Data } from "../data/data.js";
import type { AnyDatabase, Schema } from "../data/types.js";
import { Functions } from "../functions/functions.js";
import { Problem } from "../problem.js";
import { Transport } from "../transport.js";

const OURS = /^(?:__Host-)?bb_/;

export interface RequestOptions extends Omit<ClientOptions, "storage" | "storageKey"> {
  /** The `Cookie` header of the request. Only the cookies of BunBase are passed on. */
  cookie: string | null | undefined;
  /** The origin of your app: one of the project's `redirect_urls`. Writes need this origin. */
  origin?: string;
  /** Gets each `Set-Cookie` header of the answers. Pass the header to the browser. */
  onSetCookie?(header: string): void;
}

export interface RequestClient<D extends Schema<D> = AnyDatabase> {
  readonly data: Data<D>;
  readonly functions: Functions;
  /** Returns the user of the request, or null. */
  user(call?: Call): Promise<User | null>;
}

/**
 * Makes a client for one request.
 *
 * ```ts
 * const client = createRequestClient<Database>("https://api.example.com", "pk_…", {
 *   cookie: request.headers.get("Cookie"),
 *   origin: "https://app.example.com",
 *   onSetCookie: (header) => response.headers.append("Set-Cookie", header),
 * });
 * const user = await client.user();
 * ```
 */
export function createRequestClient<D extends Schema<D> = AnyDatabase>(
  url: string,
  publishableKey: string,
  { cookie, origin, onSetCookie, ...options }: RequestOptions,
): RequestClient<D> {
  const ours = (cookie ?? "").split(/;\s*/).filter((pair) => OURS.test(pair));
  const passing: typeof fetch = async (input, init) => {
    const headers: Record<string, string> = { ...(init?.headers as Record<string, string>), "X-Bunbase-Csrf": "1" };
    if (ours.length) headers.Cookie = ours.join("; ");
    if (origin) headers.Origin = origin;
    const response = await (options.fetch ?? globalThis.fetch)(input, { ...init, headers });
    for (const header of response.headers.getSetCookie()) if (OURS.test(header)) onSetCookie?.(header);
    return response;
  };
  const transport = new Transport(url, publishableKey, { ...options, fetch: passing, storage: null });
  const user = async (call?: Call): Promise<User | null> => {
    if (!ours.length) return null;
    try {
      const wanted = { method: "GET", path: "/v1/auth/me", repeatable: true };
      return (await transport.json<{ user: User }>(wanted, call)).user;
    } catch (problem) {
      if (Problem.is(problem) && problem.status === 401) return null;
      throw problem;
    }
  };
  return { data: new Data<D>(transport), functions: new Functions(transport), user };
}
