import type { Call } from "../call.js";
import type { AuthRequests } from "./requests.js";
import type { Identity, Listed, Session } from "./types.js";

/** Options of a call that returns one page of a list. */
export interface PageCall extends Call {
  limit?: number | undefined;
  cursor?: string | null | undefined;
}

/** The devices on which the user is signed in. */
export class Sessions {
  readonly #requests: AuthRequests;

  /** @internal */
  constructor(requests: AuthRequests) {
    this.#requests = requests;
  }

  /**
   * Lists the open sessions, newest first.
   *
   * ```ts
   * for (const { agent, current } of (await client.auth.sessions.list()).items) console.log(agent, current);
   * ```
   */
  list({ limit, cursor, ...call }: PageCall = {}): Promise<Listed<Session>> {
    return this.#requests.send("GET", `/sessions${pageOf(limit, cursor)}`, undefined, call);
  }

  /**
   * Ends one session. The tokens of the session stop working within a second.
   *
   * ```ts
   * await client.auth.sessions.end(session.id);
   * ```
   */
  async end(id: string, call?: Call): Promise<void> {
    return this.#requests.send("DELETE", `/sessions${this.#requests.path(id)}`, undefined, call);
  }

  /**
   * Ends all sessions except the session of this client.
   *
   * ```ts
   * await client.auth.sessions.endOthers();
   * ```
   */
  endOthers(call?: Call): Promise<void> {
    return this.#requests.send("DELETE", "/sessions?keep_current=true", undefined, call);
  }
}

/** The services with which the user can sign in. `auth.linkWith` adds a service. */
export class Identities {
  readonly #requests: AuthRequests;

  /** @internal */
  constructor(requests: AuthRequests) {
    this.#requests = requests;
  }

  /**
   * Lists the services.
   *
   * ```ts
   * const providers = (await client.auth.identities.list()).map((identity) => identity.provider);
   * ```
   */
  async list(call?: Call): Promise<Identity[]> {
    return (await this.#requests.send<Listed<Identity>>("GET", "/identities", undefined, call)).items;
  }

  /**
   * Removes a service. The user must have signed in or reauthenticated within the last ten minutes. The last way to
   * sign in cannot be removed (`last_sign_in_method`).
   *
   * ```ts
   * await client.auth.identities.unlink(identity.id);
   * ```
   */
  async unlink(id: string, call?: Call): Promise<void> {
    return this.#requests.send("DELETE", `/identities${this.#requests.path(id)}`, undefined, call);
  }
}

/** Returns the query of one page. @internal */
export function pageOf(limit: number | undefined, cursor: string | null | undefined): string {
  const query = new URLSearchParams({ ...(limit !== undefined && { limit: `${limit}` }), ...(cursor && { cursor }) });
  return `?${query}`;
}
