/**
 * The methods of `auth` for a page where users manage their account. `auth` loads this module at the first call of one
 * of these methods.
 */

import type { Call } from "../call.js";
import { type PageCall, pageOf } from "./lists.js";
import type { AuthRequests } from "./requests.js";
import type { Activity, Listed, MailCall, SignedIn, TotpSecret, User } from "./types.js";

export class Account {
  readonly #requests: AuthRequests;

  /** @internal */
  constructor(requests: AuthRequests) {
    this.#requests = requests;
  }

  /**
   * Begins to set up a second factor, if a sign-in failed because the project requires one (`mfa_enrolment_required`).
   *
   * ```ts
   * const { uri } = await client.auth.enrol(String(error.body.challenge));
   * ```
   */
  enrol(challenge: string, call?: Call): Promise<TotpSecret> {
    return this.#requests.post("/login/enrolment", { challenge }, call);
  }

  /**
   * Completes a sign-in that began with `enrol`, with the first code of the app. Show the recovery codes to the user
   * now, because BunBase never returns them again.
   *
   * ```ts
   * const { user, recoveryCodes } = await client.auth.confirmEnrolment(challenge, "123456");
   * ```
   */
  async confirmEnrolment(challenge: string, code: string, call?: Call): Promise<{ user: User; recoveryCodes: string[] }> {
    const body = { challenge, code };
    const answer = await this.#requests.post<SignedIn & { recovery_codes: string[] }>("/login/enrolment/confirm", body, call);
    return { user: await this.#requests.keeper.begin(answer), recoveryCodes: answer.recovery_codes };
  }

  /**
   * Starts a change of the user's email address. BunBase sends a mail to both addresses, and both must confirm the
   * change. The user must have signed in or reauthenticated within the last ten minutes.
   *
   * ```ts
   * await client.auth.changeEmail("eve@new.example");
   * ```
   */
  async changeEmail(email: string, call?: Call): Promise<void> {
    await this.#requests.send("POST", "/email", { email }, call);
  }

  /**
   * Confirms a change of the address with the token of the mail. Returns `pending` if the other address has not
   * confirmed yet.
   *
   * ```ts
   * const status = await client.auth.confirmEmail(token);
   * ```
   */
  async confirmEmail(token: string, call?: Call): Promise<"pending" | "changed"> {
    const { status } = await this.#requests.post<{ status: "pending" | "changed" }>("/email/confirm", { token }, call);
    if (status === "changed") await this.#reloaded(call);
    return status;
  }

  /**
   * Sends a code to a new phone number of the user. The user must have signed in or reauthenticated within the last ten
   * minutes.
   *
   * ```ts
   * await client.auth.changePhone("+49 170 7654321");
   * ```
   */
  async changePhone(phone: string, { language, ...call }: Call & { language?: string } = {}): Promise<void> {
    await this.#requests.send("POST", "/phone/change", { phone, language }, call);
  }

  /**
   * Confirms the new number with its code.
   *
   * ```ts
   * await client.auth.confirmPhone("+49 170 7654321", "123456");
   * ```
   */
  confirmPhone(phone: string, code: string, call?: Call): Promise<User> {
    return this.#requests.changed("POST", "/phone/change/confirm", { phone, code }, call);
  }

  /**
   * Removes the phone number. The user must have signed in or reauthenticated within the last ten minutes.
   *
   * ```ts
   * await client.auth.removePhone();
   * ```
   */
  removePhone(call?: Call): Promise<User> {
    return this.#requests.changed("DELETE", "/phone", undefined, call);
  }

  /**
   * Changes the password, and ends all other sessions. Without `current`, the user must have signed in or
   * reauthenticated within the last ten minutes.
   *
   * ```ts
   * await client.auth.changePassword({ current: "apples and pears", password: "another horse battery" });
   * ```
   */
  changePassword(change: { password: string; current?: string }, call?: Call): Promise<void> {
    return this.#requests.send("POST", "/password", change, call);
  }

  /**
   * Creates the user with the token of the link in the mail, and signs the user in.
   *
   * ```ts
   * await client.auth.confirmSignUp(token, "apples and pears");
   * ```
   */
  confirmSignUp(token: string, password: string, call?: Call): Promise<User> {
    return this.#requests.signIn("/signup/confirm", { token, password }, call, false);
  }

  /**
   * Sets a new password with the token of the link in the mail of `sendPasswordReset`. Ends all sessions of the user.
   *
   * ```ts
   * await client.auth.resetPassword(token, "another horse battery");
   * ```
   */
  resetPassword(token: string, password: string, call?: Call): Promise<void> {
    return this.#requests.post("/password-reset/confirm", { token, password }, call);
  }

  /**
   * Sends a mail with a link that confirms the address `email`, or by default the address of the signed-in user.
   *
   * ```ts
   * await client.auth.sendVerification();
   * ```
   */
  async sendVerification({ email, redirectTo, captcha, ...call }: MailCall & { email?: string } = {}): Promise<void> {
    const { keeper } = this.#requests;
    await keeper.ready;
    const body = { email: email ?? keeper.user?.email ?? "", redirect_to: redirectTo, captcha };
    await this.#requests.post("/verify-email", body, call);
  }

  /**
   * Confirms an address with the token of the link that `sendVerification` mails.
   *
   * ```ts
   * await client.auth.verifyEmail(token);
   * ```
   */
  async verifyEmail(token: string, call?: Call): Promise<void> {
    await this.#requests.post("/verify-email/confirm", { token }, call);
    await this.#reloaded(call);
  }

  /**
   * Deletes the user. The user must have signed in or reauthenticated within the last ten minutes.
   *
   * ```ts
   * await client.auth.deleteUser();
   * ```
   */
  async deleteUser(call?: Call): Promise<void> {
    const { keeper } = this.#requests;
    await keeper.ready;
    const { userId } = keeper;
    await this.#requests.send("DELETE", "/me", undefined, call);
    if (keeper.userId === userId) await keeper.end();
  }

  /**
   * Lists the events in the account, newest first: sign-ins, refused sign-ins, and changes of the sign-in methods.
   *
   * ```ts
   * for (const { at, action } of (await client.auth.activity({ limit: 10 })).items) console.log(at, action);
   * ```
   */
  activity({ limit, cursor, ...call }: PageCall = {}): Promise<Listed<Activity>> {
    return this.#requests.send("GET", `/activity${pageOf(limit, cursor)}`, undefined, call);
  }

  /** Reads the user again, if somebody is signed in. */
  async #reloaded(call?: Call): Promise<void> {
    const { keeper } = this.#requests;
    await keeper.ready;
    if (keeper.user) await this.#requests.changed("GET", "/me", undefined, call);
  }
}
