/** The account of the end user: signing up, in and out, mails, factors, sessions. */

import type { Call, Json } from "../call.js";
import { invalidValue, Problem } from "../problem.js";
import { addressOf, type Credentials, path, search, type Transport } from "../transport.js";
import { Totp } from "./factors.js";
import { Identities, Sessions } from "./lists.js";
import { answerWithPasskey, Passkeys } from "./passkeys.js";
import { newChallenge, takeVerifier } from "./pkce.js";
import { AuthRequests } from "./requests.js";
import { SessionKeeper } from "./session.js";
import type {
  Activity,
  AuthListener,
  Listed,
  MailCall,
  Proof,
  Provider,
  SecondFactor,
  SignedIn,
  SignIn,
  SignInCall,
  SignUp,
  TotpSecret,
  User,
} from "./types.js";

/** Options of a sign-in on another page. `navigate` opens an address: by default, this page goes there. */
export interface AwayCall extends Call {
  /** The address of your app that the browser comes back to: one of the project's `redirect_urls`, or below it. */
  redirectTo?: string | undefined;
  navigate?: ((url: string) => unknown) | undefined;
}

type Options = { public_key: unknown };

export class Auth {
  readonly totp: Totp;
  readonly passkeys: Passkeys;
  readonly sessions: Sessions;
  readonly identities: Identities;
  readonly #transport: Transport;
  readonly #keeper: SessionKeeper;
  readonly #requests: AuthRequests;

  /** @internal */
  constructor(transport: Transport) {
    this.#transport = transport;
    this.#keeper = new SessionKeeper(transport);
    transport.credentials = this.#keeper;
    this.#requests = new AuthRequests(transport, this.#keeper);
    this.totp = new Totp(this.#requests);
    this.passkeys = new Passkeys(this.#requests);
    this.sessions = new Sessions(this.#requests);
    this.identities = new Identities(this.#requests);
  }

  /**
   * The signed-in user, or null. In a page, the stored user is here at once.
   *
   * ```ts
   * console.log(client.auth.user?.email ?? "nobody is signed in");
   * ```
   */
  get user(): User | null {
    return this.#keeper.user;
  }

  /**
   * Resolves when the storage was read. It never waits for the network.
   *
   * ```ts
   * await client.auth.ready;
   * ```
   */
  get ready(): Promise<void> {
    return this.#keeper.ready;
  }

  /**
   * Calls `listener` once with `initial`, and then whenever the user or the tokens change. The client never waits for
   * the listener, so it may use the client. Returns a function that ends this.
   *
   * ```ts
   * const stop = client.auth.onChange((user, why) => console.log(user?.email, why));
   * ```
   */
  onChange(listener: AuthListener, { signal }: { signal?: AbortSignal } = {}): () => void {
    return this.#keeper.listen(listener, signal);
  }

  /**
   * Returns an access token that is valid for 30 seconds at least, or null if nobody is signed in.
   *
   * ```ts
   * const token = await client.auth.token();
   * ```
   */
  async token(call: Call = {}): Promise<string | null> {
    const deadline = this.#transport.deadline(call);
    try {
      return await deadline.race(this.#keeper.current());
    } finally {
      deadline.done();
    }
  }

  /**
   * Signs a person up, and in. An anonymous user becomes this person, with the same id. Returns null if the project
   * confirms addresses first: the person then gets a mail, and `confirmSignUp` ends the sign-up.
   *
   * ```ts
   * const user = await client.auth.signUp({ email: "eve@example.com", password: "apples and pears" });
   * ```
   */
  async signUp({ redirectTo, ...person }: SignUp, call?: SignInCall): Promise<User | null> {
    const answer = await this.#requests.answer("/signup", { ...person, redirect_to: redirectTo }, call);
    return answer.access_token ? this.#keeper.begin(answer) : null;
  }

  /**
   * Creates the user with the token of the mail's link, and signs in.
   *
   * ```ts
   * await client.auth.confirmSignUp(token, "apples and pears");
   * ```
   */
  confirmSignUp(token: string, password: string, call?: Call): Promise<User> {
    return this.#requests.signIn("/signup/confirm", { token, password }, call, false);
  }

  /**
   * Signs a user in. Throws `second_factor_required` if the user has a second factor: then call `secondFactor`.
   *
   * ```ts
   * await client.auth.signIn({ email: "eve@example.com", password: "apples and pears" });
   * ```
   */
  async signIn(how: SignIn, call?: SignInCall): Promise<User> {
    if ("passkey" in how) return this.#signInByPasskey(call);
    if ("link" in how) return this.#requests.signIn("/login/link", { token: how.link }, call);
    if ("customToken" in how) return this.#requests.signIn("/login/custom-token", { token: how.customToken }, call, false);
    if ("anonymous" in how) {
      const { data, captcha } = how;
      return this.#requests.signIn("/anonymous", { data, captcha }, call, false);
    }
    if ("phone" in how) return this.#requests.signIn("/login/phone", how, call);
    return "code" in how
      ? this.#requests.signIn("/login/code", how, call)
      : this.#requests.signIn("/login", how, call, false);
  }

  /**
   * Ends a sign-in that asked for a second factor, with the `challenge` of the problem.
   *
   * ```ts
   * if (Problem.is(error, "second_factor_required")) {
   *   await client.auth.secondFactor(String(error.body.challenge), { code: "123456" });
   * }
   * ```
   */
  async secondFactor(challenge: string, factor: SecondFactor, call?: Call): Promise<User> {
    const body: Record<string, unknown> = { challenge };
    if ("code" in factor) body.code = factor.code;
    else if ("recoveryCode" in factor) body.code = factor.recoveryCode;
    else body.passkey = await answerWithPasskey(await this.#requests.post("/login/passkey/options", { challenge }, call), call);
    return this.#requests.signIn("/login/second-factor", body, call, false);
  }

  /**
   * Begins to set up a second factor for a sign-in that demands one (`mfa_enrolment_required`).
   *
   * ```ts
   * const { uri } = await client.auth.enrol(String(error.body.challenge));
   * ```
   */
  enrol(challenge: string, call?: Call): Promise<TotpSecret> {
    return this.#requests.post("/login/enrolment", { challenge }, call);
  }

  /**
   * Ends such a sign-in with the first code of the app. Show the recovery codes now: they are never shown again.
   *
   * ```ts
   * const { user, recoveryCodes } = await client.auth.confirmEnrolment(challenge, "123456");
   * ```
   */
  async confirmEnrolment(challenge: string, code: string, call?: Call): Promise<{ user: User; recoveryCodes: string[] }> {
    const body = { challenge, code };
    const answer = await this.#requests.post<SignedIn & { recovery_codes: string[] }>("/login/enrolment/confirm", body, call);
    return { user: await this.#keeper.begin(answer), recoveryCodes: answer.recovery_codes };
  }

  /**
   * Lists the services by which users sign in, for the buttons of your page.
   *
   * ```ts
   * for (const { name, title } of await client.auth.providers()) console.log(name, title);
   * ```
   */
  async providers(call?: Call): Promise<Provider[]> {
    return (await this.#requests.send<{ items: Provider[] }>("GET", "/providers", undefined, call, "nobody")).items;
  }

  /**
   * Sends the browser to another service, such as Google. It comes back to `redirectTo`: call `finishRedirect` there.
   *
   * ```ts
   * await client.auth.signInWith("google", { redirectTo: location.origin + "/signed-in" });
   * ```
   */
  async signInWith(provider: string, { redirectTo, navigate, ...call }: AwayCall = {}): Promise<void> {
    await this.#leave(`/oauth${path(provider)}/start`, { redirectTo, navigate }, {}, call);
  }

  /**
   * Sends the browser to the service, which will then sign in to the present user too. Needs a fresh proof.
   *
   * ```ts
   * await client.auth.linkWith("github", { redirectTo: location.origin + "/account" });
   * ```
   */
  async linkWith(provider: string, { redirectTo, navigate, ...call }: AwayCall = {}): Promise<void> {
    const { ticket } = await this.#requests.send<{ ticket: string }>("POST", "/identities/link", { provider }, call);
    await this.#leave(`/oauth${path(provider)}/start`, { redirectTo, navigate }, { link: ticket }, call);
  }

  /**
   * Sends the browser to the ready-made sign-in page of the project. Call `finishRedirect` when it comes back.
   *
   * ```ts
   * await client.auth.openSignInPage({ redirectTo: location.origin + "/signed-in" });
   * ```
   */
  async openSignInPage({ redirectTo, navigate, ...call }: AwayCall = {}): Promise<void> {
    await this.#leave("/ui", { redirectTo, navigate }, {}, call);
  }

  /**
   * Ends a sign-in that began on another page or with the link of a mail. Returns null if the address has no sign-in.
   * Without `url`, it reads the address of this page, and removes the code from it. An anonymous user becomes the person
   * of a mail's link only if this browser has asked for a link, or with `upgrade: true`.
   *
   * ```ts
   * const user = await client.auth.finishRedirect();
   * ```
   */
  async finishRedirect(url?: string, call?: SignInCall): Promise<User | null> {
    const address = addressOf(url ?? thisPage("url"));
    const { searchParams } = address;
    const [code, token, error] = ["code", "token", "error"].map((name) => searchParams.get(name));
    if (!url) {
      for (const name of ["code", "token", "error"]) searchParams.delete(name);
      if (code || token || error) history.replaceState(history.state, "", address);
    }
    if (error) throw new Problem({ code: error, detail: `The sign-in failed (${error}). Try again.` });
    if (token) {
      // a stranger may have sent this link: the anonymous user must not become the stranger's
      const upgrade = Boolean(await this.#keeper.storage.load(this.#linkAsked));
      await this.#keeper.storage.save(null, this.#linkAsked);
      return this.signIn({ link: token }, { ...call, upgrade: call?.upgrade ?? upgrade });
    }
    if (!code) return null;
    const verifier = await takeVerifier(this.#keeper.storage);
    return this.#requests.signIn("/oauth/exchange", { code, verifier }, call);
  }

  /**
   * Sends a code by mail or text message. The answer does not show whether there is such a user.
   *
   * ```ts
   * await client.auth.sendCode({ email: "eve@example.com" });
   * ```
   */
  sendCode(
    to: { email: string } | { phone: string; language?: string },
    { captcha, ...call }: Omit<MailCall, "redirectTo"> = {},
  ): Promise<void> {
    return this.#asked("phone" in to ? "/phone" : "/code", { ...to, captcha }, call);
  }

  /**
   * Sends a link that signs in. It leads to `redirectTo`: call `finishRedirect` there.
   *
   * ```ts
   * await client.auth.sendLink("eve@example.com", { redirectTo: location.origin + "/signed-in" });
   * ```
   */
  async sendLink(email: string, call: MailCall = {}): Promise<void> {
    await this.#keeper.storage.save("asked", this.#linkAsked);
    return this.#mailed("/link", email, call);
  }

  /**
   * Sends a link that sets a new password.
   *
   * ```ts
   * await client.auth.sendPasswordReset("eve@example.com");
   * ```
   */
  sendPasswordReset(email: string, call: MailCall = {}): Promise<void> {
    return this.#mailed("/password-reset", email, call);
  }

  /**
   * Sets a new password with the token of such a link. All sessions of the user end.
   *
   * ```ts
   * await client.auth.resetPassword(token, "another horse battery");
   * ```
   */
  resetPassword(token: string, password: string, call?: Call): Promise<void> {
    return this.#requests.post("/password-reset/confirm", { token, password }, call);
  }

  /**
   * Sends a link that confirms an address: that of the signed-in user, or `email`.
   *
   * ```ts
   * await client.auth.sendVerification();
   * ```
   */
  async sendVerification({ email, ...call }: MailCall & { email?: string } = {}): Promise<void> {
    await this.ready;
    return this.#mailed("/verify-email", email ?? this.user?.email ?? "", call);
  }

  /**
   * Confirms an address with the token of such a link.
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
   * Asks for another address. Both addresses get a mail, and both must agree. Needs a fresh proof.
   *
   * ```ts
   * await client.auth.changeEmail("eve@new.example");
   * ```
   */
  changeEmail(email: string, call?: Call): Promise<void> {
    return this.#asked("/email", { email }, call ?? {}, "user");
  }

  /**
   * Agrees with the token of such a mail. `pending`: the other address has not agreed yet.
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
   * Sends a code to a new phone number of the user. Needs a fresh proof.
   *
   * ```ts
   * await client.auth.changePhone("+49 170 7654321");
   * ```
   */
  changePhone(phone: string, { language, ...call }: Call & { language?: string } = {}): Promise<void> {
    return this.#asked("/phone/change", { phone, language }, call, "user");
  }

  /**
   * Confirms the new number with its code.
   *
   * ```ts
   * await client.auth.confirmPhone("+49 170 7654321", "123456");
   * ```
   */
  confirmPhone(phone: string, code: string, call?: Call): Promise<User> {
    return this.#changed("POST", "/phone/change/confirm", { phone, code }, call);
  }

  /**
   * Removes the phone number. Needs a fresh proof.
   *
   * ```ts
   * await client.auth.removePhone();
   * ```
   */
  removePhone(call?: Call): Promise<User> {
    return this.#changed("DELETE", "/phone", undefined, call);
  }

  /**
   * Changes the password. All other sessions end. Without `current`, it needs a fresh proof.
   *
   * ```ts
   * await client.auth.changePassword({ current: "apples and pears", password: "another horse battery" });
   * ```
   */
  changePassword(change: { password: string; current?: string }, call?: Call): Promise<void> {
    return this.#requests.send("POST", "/password", change, call);
  }

  /**
   * Proves that the account is the user's, after a call threw `reauthentication_required`. Then repeat that call.
   *
   * ```ts
   * await client.auth.reauthenticate({ password: "apples and pears" });
   * ```
   */
  async reauthenticate(proof: Proof, call?: Call): Promise<void> {
    await this.ready;
    const { userId } = this.#keeper;
    const body = "passkey" in proof ? { passkey: await this.#proofByPasskey(call) } : proof;
    const answer = await this.#requests.send<SignedIn>("POST", "/reauthenticate", body, call);
    await this.#keeper.replaceAccess(userId, answer.access_token, answer.expires_in);
  }

  /**
   * Signs out: first on this device, then on the server. If the server cannot be reached, the call throws, and this
   * device is signed out nevertheless.
   *
   * ```ts
   * await client.auth.signOut({ everywhere: true });
   * ```
   */
  async signOut({ everywhere, ...call }: { everywhere?: boolean } & Call = {}): Promise<void> {
    const tokens = await this.#keeper.end();
    if (!tokens) return;
    let { access } = tokens;
    try {
      if (!tokens.fresh) {
        const body = { refresh_token: tokens.refresh };
        access = (await this.#requests.post<SignedIn>("/refresh", body, call)).access_token;
      }
      const [method, where] = everywhere ? ["DELETE", "/sessions"] : ["POST", "/logout"];
      await this.#requests.send(method!, where!, undefined, call, { token: access });
    } catch (problem) {
      if (!Problem.is(problem) || problem.status !== 401) throw problem; // 401: the session had ended already
    }
  }

  /**
   * Changes the user's own `data`, `name` or `language`. `data` is replaced as a whole.
   *
   * ```ts
   * await client.auth.update({ data: { theme: "dark" } });
   * ```
   */
  update(changes: { data?: Json; name?: string; language?: string }, call?: Call): Promise<User> {
    return this.#changed("PATCH", "/me", changes, call);
  }

  /**
   * Reads the user from the server again.
   *
   * ```ts
   * const user = await client.auth.reload();
   * ```
   */
  reload(call?: Call): Promise<User> {
    return this.#changed("GET", "/me", undefined, call);
  }

  /**
   * Deletes the user. Needs a fresh proof.
   *
   * ```ts
   * await client.auth.deleteUser();
   * ```
   */
  async deleteUser(call?: Call): Promise<void> {
    await this.ready;
    const { userId } = this.#keeper;
    await this.#requests.send("DELETE", "/me", undefined, call);
    if (this.#keeper.userId === userId) await this.#keeper.end();
  }

  /**
   * Lists what happened in the account, newest first: sign-ins, refused sign-ins, changes of the ways to sign in.
   *
   * ```ts
   * for (const { at, action } of (await client.auth.activity({ limit: 10 })).items) console.log(at, action);
   * ```
   */
  activity({ limit, cursor, ...call }: { limit?: number; cursor?: string | null } & Call = {}): Promise<Listed<Activity>> {
    return this.#requests.send("GET", `/activity${search({ limit, cursor })}`, undefined, call);
  }

  /** The tokens of the user, for `createData` and `createFunctions`. @internal */
  get credentials(): Credentials {
    return this.#keeper;
  }

  /** Ends listeners. The session stays in the storage. @internal */
  close(): void {
    this.#keeper.close();
  }

  get #linkAsked(): string {
    return `${this.#keeper.storage.key}:link`;
  }

  async #signInByPasskey(call?: SignInCall): Promise<User> {
    const options = await this.#requests.post<Options>("/login/passkey/options", {}, call);
    return this.#requests.signIn("/login/passkey/verify", { credential: await answerWithPasskey(options, call) }, call, false);
  }

  async #proofByPasskey(call?: Call): Promise<unknown> {
    return answerWithPasskey(await this.#requests.send<Options>("POST", "/reauthenticate/options", undefined, call), call);
  }

  async #leave(where: string, { redirectTo, navigate }: AwayCall, more: { link?: string }, call: Call): Promise<void> {
    if (call.signal?.aborted) this.#transport.deadline(call); // throws
    const code_challenge = await newChallenge(this.#keeper.storage);
    const asked = { key: this.#transport.key, redirect_to: redirectTo ?? thisPage("redirectTo").split(/[?#]/)[0], code_challenge };
    const url = `${this.#transport.origin}/v1/auth${where}${search({ ...asked, ...more })}`;
    await (navigate ?? ((to) => location.assign(to)))(url);
  }

  #mailed(where: string, email: string, { redirectTo, captcha, ...call }: MailCall): Promise<void> {
    return this.#asked(where, { email, redirect_to: redirectTo, captcha }, call);
  }

  async #asked(where: string, body: unknown, call: Call, as: "user" | "nobody" = "nobody"): Promise<void> {
    await this.#requests.send("POST", where, body, call, as);
  }

  async #changed(method: string, where: string, body: unknown, call?: Call): Promise<User> {
    const { user } = await this.#requests.send<{ user: User }>(method, where, body, call);
    return this.#keeper.change(user);
  }

  async #reloaded(call?: Call): Promise<void> {
    await this.ready;
    if (this.user) await this.reload(call);
  }
}

function thisPage(name: string): string {
  if (!globalThis.location) throw invalidValue(name, "This program is not a page, so name the address.");
  return location.href;
}
