import type { Call } from "../call.js";
import type { AuthRequests } from "./requests.js";
import type { TotpSecret } from "./types.js";

/** The authenticator app of the signed-in user, and its recovery codes. */
export class Totp {
  readonly #requests: AuthRequests;

  /** @internal */
  constructor(requests: AuthRequests) {
    this.#requests = requests;
  }

  /**
   * Tells whether the second factor is on.
   *
   * ```ts
   * const { enabled, recovery_codes_left } = await client.auth.totp.state();
   * ```
   */
  state(call?: Call): Promise<{ enabled: boolean; confirmed_at: string | null; recovery_codes_left: number }> {
    return this.#requests.send("GET", "/totp", undefined, call);
  }

  /**
   * Begins to set up an authenticator app. Show `uri` as a QR code, then call `confirm`. The user must have signed in
   * or reauthenticated within the last ten minutes.
   *
   * ```ts
   * const { uri } = await client.auth.totp.begin();
   * ```
   */
  begin(call?: Call): Promise<TotpSecret> {
    return this.#requests.send("POST", "/totp", undefined, call);
  }

  /**
   * Turns the second factor on with the first code of the app. Show the recovery codes now: they are never shown again.
   *
   * ```ts
   * const recoveryCodes = await client.auth.totp.confirm("123456");
   * ```
   */
  async confirm(code: string, call?: Call): Promise<string[]> {
    return (await this.#requests.send<Codes>("POST", "/totp/confirm", { code }, call)).recovery_codes;
  }

  /**
   * Turns the second factor off. The user must have signed in or reauthenticated within the last ten minutes.
   *
   * ```ts
   * await client.auth.totp.remove();
   * ```
   */
  remove(call?: Call): Promise<void> {
    return this.#requests.send("DELETE", "/totp", undefined, call);
  }

  /**
   * Replaces all recovery codes. The user must have signed in or reauthenticated within the last ten minutes.
   *
   * ```ts
   * const recoveryCodes = await client.auth.totp.newRecoveryCodes();
   * ```
   */
  async newRecoveryCodes(call?: Call): Promise<string[]> {
    return (await this.#requests.send<Codes>("POST", "/recovery-codes", undefined, call)).recovery_codes;
  }
}

interface Codes {
  recovery_codes: string[];
}
