/** Tokens of users: check access tokens without a request, and make custom tokens with which users sign in. */

import type { Call } from "bunbase-js";
import { checkOptions } from "bunbase-js/internal";
import { type Claims, createVerifier, type Verifier, type VerifyCall } from "bunbase-js/server";
import type { Connection } from "./connection.js";

export class Auth {
  readonly #connection: Connection;
  #verifier: Promise<Verifier> | undefined;

  /** @internal */
  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /**
   * Returns the claims of an access token of a user. The client keeps the project's public keys for an hour, so most
   * calls send no request. Throws `invalid_token` or `token_expired`. Refuses service tokens by default; `allowService:
   * true` accepts them.
   *
   * ```ts
   * const { sub, role } = await admin.auth.verify(token);
   * ```
   */
  async verify(token: string, call: VerifyCall = {}): Promise<Claims> {
    const { allowService: _, ...rest } = call;
    checkOptions(rest);
    this.#verifier ??= this.#made().catch((problem: unknown) => {
      this.#verifier = undefined;
      throw problem;
    });
    return (await this.#verifier).verify(token, call);
  }

  /**
   * Returns a token that signs a user in once, within five minutes: `client.auth.signIn({ customToken })`.
   *
   * ```ts
   * const customToken = await admin.auth.customToken(uid, { device: "tv" });
   * ```
   */
  async customToken(uid: string, claims?: Readonly<Record<string, unknown>>, call?: Call): Promise<string> {
    const wanted = { method: "POST", path: "/v1/auth/custom-token", body: { uid, claims }, repeatable: true };
    return (await this.#connection.send<{ token: string }>(wanted, call)).token;
  }

  async #made(): Promise<Verifier> {
    const { url, options } = this.#connection;
    const { project: _, ...rest } = options;
    return createVerifier(url, await this.#connection.project(), { ...rest, storage: null });
  }
}
