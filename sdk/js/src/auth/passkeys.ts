/** Passkeys of the browser: WebAuthn Level 3, whose options and answers are JSON. */

import type { Call } from "../call.js";
import { aborted } from "../deadline.js";
import { Problem } from "../problem.js";
import { path } from "../transport.js";
import type { AuthRequests } from "./requests.js";
import type { Listed, Passkey } from "./types.js";

/** The passkeys of the signed-in user. */
export class Passkeys {
  readonly #requests: AuthRequests;

  /** @internal */
  constructor(requests: AuthRequests) {
    this.#requests = requests;
  }

  /**
   * Adds a passkey of this device. Needs a fresh proof: see `auth.reauthenticate`.
   *
   * ```ts
   * const passkey = await client.auth.passkeys.register("laptop");
   * ```
   */
  async register(name?: string, call?: Call): Promise<Passkey> {
    const options = await this.#requests.send<Options>("POST", "/passkeys/options", undefined, call);
    const credential = await create(options, call);
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
    return this.#requests.send("PATCH", `/passkeys${path(id)}`, { name }, call);
  }

  /**
   * Removes a passkey. Needs a fresh proof. The last way to sign in stays (`last_sign_in_method`).
   *
   * ```ts
   * await client.auth.passkeys.remove(passkey.id);
   * ```
   */
  async remove(id: string, call?: Call): Promise<void> {
    return this.#requests.send("DELETE", `/passkeys${path(id)}`, undefined, call);
  }
}

interface Options {
  public_key: unknown;
}

/** Lets the browser answer a challenge with a passkey. @internal */
export function answerWithPasskey({ public_key }: Options, call?: Call): Promise<unknown> {
  return asked(call, async () => {
    const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(public_key as never);
    return navigator.credentials.get({ publicKey, ...signalOf(call) });
  });
}

function create({ public_key }: Options, call?: Call): Promise<unknown> {
  return asked(call, async () => {
    const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(public_key as never);
    return navigator.credentials.create({ publicKey, ...signalOf(call) });
  });
}

async function asked(call: Call | undefined, ask: () => Promise<Credential | null>): Promise<unknown> {
  if (!("PublicKeyCredential" in globalThis))
    throw new Problem({ code: "passkey_failed", detail: "This browser or this page has no passkeys. Use another way." });
  try {
    return ((await ask()) as PublicKeyCredential).toJSON();
  } catch (cause) {
    if (call?.signal?.aborted) throw aborted(cause);
    const detail = `The browser gave no passkey (${(cause as Error).message}). Try again, or use another way.`;
    throw new Problem({ code: "passkey_failed", detail }, { cause });
  }
}

function signalOf(call: Call | undefined): { signal?: AbortSignal } {
  return call?.signal ? { signal: call.signal } : {};
}
