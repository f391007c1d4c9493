import type { Call } from "../call.js";
import { path, search } from "../transport.js";
import type { AuthRequests } from "./requests.js";
import type { Identity, Listed, Session } from "./types.js";

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
  list({ limit, cursor, ...call }: { limit?: number; cursor?: string | null } & Call = {}): Promise<Listed<Session>> {
    return this.#requests.send("GET", `/sessions${search({ limit, cursor })}`, undefined, call);
  }

  /**
   * Ends one session. Its tokens stop working within a second.
   *
   * ```ts
   * await client.auth.sessions.end(session.id);
   * ```
   */
  async end(id: string, call?: Call): Promise<void> {
    return this.#requests.send("DELETE", `/sessions${path(id)}`, undefined, call);
  }

  /**
   * Ends all sessions but the one of this client.
   *
   * ```ts
   * await client.auth.sessions.endOthers();
   * ```
   */
  endOthers(call?: Call): Promise<void> {
    return this.#requests.send("DELETE", "/sessions?keep_current=true", undefined, call);
  }
}

/** The services that sign in to the user. `auth.linkWith` adds one. */
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
   * Removes a service. Needs a fresh proof. The last way to sign in stays (`last_sign_in_method`).
   *
   * ```ts
   * await client.auth.identities.unlink(identity.id);
   * ```
   */
  async unlink(id: string, call?: Call): Promise<void> {
    return this.#requests.send("DELETE", `/identities${path(id)}`, undefined, call);
  }
}
