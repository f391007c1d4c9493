import type { Call } from "../call.js";
import type { AuthRequests } from "./requests.js";
import type { Listed, Passkey } from "./types.js";
import { createPasskey, type PasskeyOptions } from "./webauthn.js";

/** The passkeys of the signed-in user. */
export class Passkeys {
  readonly #requests: AuthRequests;

  /** @internal */
  constructor(requests: AuthRequests) {
    this.#requests = requests;
  }

  /**
   * Adds a passkey of this device. The user must have signed in or reauthenticated within the last ten minutes.
   *
   * ```ts
   * const passkey = await client.auth.passkeys.register("laptop");
   * ```
   */
  async register(name?: string, call?: Call): Promise<Passkey> {
    const options = await this.#requests.send<PasskeyOptions>("POST", "/passkeys/options", undefined, call);
    const credential = await createPasskey(this.#requests, options, call);
    return this.#requests.send("POST", "/passkeys/register", { credential, name }, call);
  }

  /**
   * Lists the passkeys of the user.
   *
   * ```ts
   * for (const passkey of await client.auth.passkeys.list()) console.log(passkey.name, passkey.last_used_at);
   * ```
   */
  async list(call?: Call): Promise<Passkey[]> {
    return (await this.#requests.send<Listed<Passkey>>("GET", "/passkeys", undefined, call)).items;
  }

  /**
   * Renames a passkey.
   *
   * ```ts
   * await client.auth.passkeys.rename(passkey.id, "old laptop");
   * ```
   */
  async rename(id: string, name: string, call?: Call): Promise<void> {
    return this.#requests.send("PATCH", `/passkeys${this.#requests.path(id)}`, { name }, call);
  }

  /**
   * Removes a passkey. The user must have signed in or reauthenticated within the last ten minutes. The last way to
   * sign in cannot be removed (`last_sign_in_method`).
   *
   * ```ts
   * await client.auth.passkeys.remove(passkey.id);
   * ```
   */
  async remove(id: string, call?: Call): Promise<void> {
    return this.#requests.send("DELETE", `/passkeys${this.#requests.path(id)}`, undefined, call);
  }
}
