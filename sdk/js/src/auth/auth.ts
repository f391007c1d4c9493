/** The account of the end user: signing up, in and out, mails, factors, sessions. */

import type { Call, Json } from "../call.js";
import { Problem } from "../problem.js";
import { type Credentials, path, type Transport } from "../transport.js";
import type { Account } from "./account.js";
import type { AwayCall, PopupCall, Returned } from "./away.js";
import type { Totp } from "./factors.js";
import { later } from "./later.js";
import type { Identities, Sessions } from "./lists.js";
import type { Passkeys } from "./passkeys.js";
import { AuthRequests, browser } from "./requests.js";
import { isFresh, SessionKeeper } from "./session.js";
import type {
  AuthListener,
  MailCall,
  Proof,
  Provider,
  SecondFactor,
  SignedIn,
  SignIn,
  SignInCall,
  SignUp,
  User,
} from "./types.js";
import type { PasskeyOptions } from "./webauthn.js";

/** Matches the URL of a page to which a sign-in was redirected back. */
const COMES_BACK = /[?&](code|token|error)=/;
const WINDOW_FEATURES = "width=500,height=700";

/** `Auth` also has the methods of `Account`, for a page where users manage their account. */
export interface Auth extends Account {}

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
    const requests = (this.#requests = new AuthRequests(transport, this.#keeper));
    this.totp = later(requests, "Totp", { state: 0, begin: 0, confirm: 0, remove: 0, newRecoveryCodes: 0 });
    this.passkeys = later(requests, "Passkeys", { register: 0, list: 0, rename: 0, remove: 0 });
    this.sessions = later(requests, "Sessions", { list: 0, end: 0, endOthers: 0 });
    this.identities = later(requests, "Identities", { list: 0, unlink: 0 });
    Object.assign(this, later(requests, "Account", {
      changeEmail: 0,
      confirmEmail: 0,
      changePhone: 0,
      confirmPhone: 0,
      removePhone: 0,
      changePassword: 0,
      confirmSignUp: 0,
      resetPassword: 0,
      sendVerification: 0,
      verifyEmail: 0,
      enrol: 0,
      confirmEnrolment: 0,
      activity: 0,
      deleteUser: 0,
    }));
  }

  /**
   * The signed-in user, or null. In a browser, the stored user is available immediately.
   *
   * ```ts
   * console.log(client.auth.user?.email ?? "nobody is signed in");
   * ```
   */
  get user(): User | null {
    return this.#keeper.user;
  }

  /**
   * The claims of the present access token, as rules see them in `auth.claims`: the claims of the user, and the claims
   * that the app's function adds with `before_token`. `onChange` calls its listener when the claims may have changed.
   * Use these claims only in your page, because the client does not check the signature.
   *
   * ```ts
   * console.log(client.auth.claims.rooms ?? "no rooms");
   * ```
   */
  get claims(): Readonly<Record<string, unknown>> {
    return this.#keeper.claims;
  }

  /**
   * Resolves when the client has read the storage. The promise never waits for the network.
   *
   * ```ts
   * await client.auth.ready;
   * ```
   */
  get ready(): Promise<void> {
    return this.#keeper.ready;
  }

  /**
   * Calls `listener` once with `initial`, and then whenever the user or the tokens change. The listener may use the
   * client, because the client never waits for the listener. Returns a function that removes the listener.
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
  token(call: Call = {}): Promise<string | null> {
    return this.#transport.within(call, (deadline) => deadline.race(this.#keeper.current()));
  }

  /**
   * Creates a user and signs the user in. If an anonymous user is signed in, this user becomes the new user with the
   * same id. Returns null if the project confirms addresses first: BunBase then sends a mail, and `confirmSignUp`
   * completes the sign-up.
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
   * Signs a user in. Throws `second_factor_required` if the user has a second factor: then call `secondFactor`.
   *
   * ```ts
   * await client.auth.signIn({ email: "eve@example.com", password: "apples and pears" });
   * ```
   */
  async signIn(how: SignIn, call?: SignInCall): Promise<User> {
    if ("passkey" in how) {
      const credential = await this.#passkey("/login/passkey/options", {}, call);
      return this.#requests.signIn("/login/passkey/verify", { credential }, call, false);
    }
    if ("link" in how) return this.#requests.signIn("/login/link", { token: how.link }, call);
    if ("customToken" in how) return this.#requests.signIn("/login/custom-token", { token: how.customToken }, call, false);
    if ("anonymous" in how) {
      const { data, captcha } = how;
      return this.#requests.signIn("/anonymous", { data, captcha }, call, false);
    }
    const where = "phone" in how ? "/login/phone" : "code" in how ? "/login/code" : "/login";
    return this.#requests.signIn(where, how, call, "code" in how);
  }

  /**
   * Completes a sign-in that needs a second factor. `challenge` is a member of the problem `second_factor_required`.
   *
   * ```ts
   * if (Problem.is(error, "second_factor_required")) {
   *   await client.auth.secondFactor(String(error.body.challenge), { code: "123456" });
   * }
   * ```
   */
  async secondFactor(challenge: string, factor: SecondFactor, call?: Call): Promise<User> {
    const { code, recoveryCode = code, passkey } = factor as { code?: string; recoveryCode?: string; passkey?: true };
    const proof = passkey && (await this.#passkey("/login/passkey/options", { challenge }, call));
    return this.#requests.signIn("/login/second-factor", { challenge, code: recoveryCode, passkey: proof }, call, false);
  }

  /**
   * Lists the services by which users sign in, for the buttons of your page.
   *
   * ```ts
   * for (const { name, title } of await client.auth.providers()) console.log(name, title);
   * ```
   */
  async providers(call?: Call): Promise<Provider[]> {
    return (await this.#requests.send<{ items: Provider[] }>("GET", "/providers", undefined, call, null)).items;
  }

  /**
   * Redirects the browser to another service, such as Google. The service redirects the browser back to `redirectTo`:
   * call `finishRedirect` there. With `popup: true`, the service opens in a separate window, and the call returns the
   * user. Call this directly in the handler of a click, because browsers block all other windows. Throws
   * `popup_blocked` if the browser blocks the window, or `popup_closed` if the person closes it.
   *
   * ```ts
   * await client.auth.signInWith("google", { redirectTo: location.origin + "/signed-in" });
   * const { email } = await client.auth.signInWith("google", { popup: true, redirectTo: location.origin + "/signed-in" });
   * ```
   */
  signInWith<C extends AwayCall | PopupCall = AwayCall>(provider: string, call?: C): Promise<Returned<C>> {
    return this.#away(`/oauth${path(provider)}/start`, call);
  }

  /**
   * Links another service to the signed-in user, who can then sign in with this service too. Redirects the browser to
   * the service. The user must have signed in or reauthenticated within the last ten minutes.
   *
   * ```ts
   * await client.auth.linkWith("github", { redirectTo: location.origin + "/account" });
   * ```
   */
  linkWith<C extends AwayCall | PopupCall = AwayCall>(provider: string, call?: C): Promise<Returned<C>> {
    return this.#away(`/oauth${path(provider)}/start`, call, provider);
  }

  /**
   * Redirects the browser to the ready-made sign-in page of the project. Call `finishRedirect` when the browser comes
   * back.
   *
   * ```ts
   * await client.auth.openSignInPage({ redirectTo: location.origin + "/signed-in" });
   * ```
   */
  openSignInPage<C extends AwayCall | PopupCall = AwayCall>(call?: C): Promise<Returned<C>> {
    return this.#away("/ui", call);
  }

  /**
   * Completes a sign-in that began on another page or with the link of a mail. Returns null if the URL contains no
   * sign-in. Without `url`, the client reads the URL of this page, and removes the code from it. If an anonymous user
   * opens a link from a mail, the anonymous user becomes the user of the link only if this browser requested a link, or
   * with `upgrade: true`. In a window of `popup: true`, the client passes the code to the page that opened the window,
   * and closes the window.
   *
   * ```ts
   * const user = await client.auth.finishRedirect();
   * ```
   */
  async finishRedirect(url?: string, call?: SignInCall): Promise<User | null> {
    const href = globalThis.location?.href;
    if (url === undefined && href && !COMES_BACK.test(href)) return null;
    return (await browser()).finish(this.#requests, url, href, call);
  }

  /**
   * Sends a code by mail or text message. The result does not reveal whether the user exists.
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
   * Sends a mail with a link that signs the user in. The link leads to `redirectTo`: call `finishRedirect` there.
   *
   * ```ts
   * await client.auth.sendLink("eve@example.com", { redirectTo: location.origin + "/signed-in" });
   * ```
   */
  async sendLink(email: string, call: MailCall = {}): Promise<void> {
    await this.#keeper.storage.save("asked", `${this.#keeper.storage.key}:link`);
    return this.#mailed("/link", email, call);
  }

  /**
   * Sends a mail with a link that sets a new password.
   *
   * ```ts
   * await client.auth.sendPasswordReset("eve@example.com");
   * ```
   */
  sendPasswordReset(email: string, call: MailCall = {}): Promise<void> {
    return this.#mailed("/password-reset", email, call);
  }

  /**
   * Proves that the account belongs to the user, after a call has thrown `reauthentication_required`. Then repeat the
   * call.
   *
   * ```ts
   * await client.auth.reauthenticate({ password: "apples and pears" });
   * ```
   */
  async reauthenticate(proof: Proof, call?: Call): Promise<void> {
    await this.ready;
    const { userId } = this.#keeper;
    const body = "passkey" in proof ? { passkey: await this.#passkey("/reauthenticate/options", undefined, call, false) } : proof;
    const answer = await this.#requests.send<SignedIn>("POST", "/reauthenticate", body, call);
    await this.#keeper.replaceAccess(userId, answer.access_token, answer.expires_in);
  }

  /**
   * Signs the user out, first on this device and then on the server. If the server cannot be reached, the call throws,
   * although this device is signed out.
   *
   * ```ts
   * await client.auth.signOut({ everywhere: true });
   * ```
   */
  async signOut({ everywhere, ...call }: { everywhere?: boolean } & Call = {}): Promise<void> {
    const kept = await this.#keeper.end();
    if (!kept) return;
    let token = kept.access;
    try {
      if (!isFresh(kept, 0))
        token = (await this.#requests.post<SignedIn>("/refresh", { refresh_token: kept.refresh }, call)).access_token;
      const [method, where] = everywhere ? (["DELETE", "/sessions"] as const) : (["POST", "/logout"] as const);
      await this.#requests.send(method, where, undefined, call, token);
    } catch (problem) {
      if (!Problem.is(problem) || problem.status !== 401) throw problem; // 401 means that the session had ended already
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
    return this.#requests.changed("PATCH", "/me", changes, call);
  }

  /**
   * Reads the user from the server again.
   *
   * ```ts
   * const user = await client.auth.reload();
   * ```
   */
  reload(call?: Call): Promise<User> {
    return this.#requests.changed("GET", "/me", undefined, call);
  }

  /** The user's tokens, which `createData` and `createFunctions` send. @internal */
  get credentials(): Credentials {
    return this.#keeper;
  }

  /** Removes all listeners. The session stays in the storage. @internal */
  close(): void {
    this.#keeper.close();
  }

  async #passkey(where: string, body: unknown, call?: Call, byNobody = true): Promise<unknown> {
    const { answerWithPasskey } = await browser();
    const options = await this.#requests.send<PasskeyOptions>("POST", where, body, call, byNobody ? null : undefined);
    return answerWithPasskey(this.#requests, options, call);
  }

  async #away(where: string, call: AwayCall | PopupCall = {}, linked?: string): Promise<never> {
    // open the window at once, within the click: browsers block a window that opens later
    const shown = call.popup ? globalThis.open?.("", "", WINDOW_FEATURES) : undefined;
    const { leave } = await browser(shown);
    return leave(this.#requests, where, call, shown, linked) as Promise<never>;
  }

  #mailed(where: string, email: string, { redirectTo, captcha, ...call }: MailCall): Promise<void> {
    return this.#asked(where, { email, redirect_to: redirectTo, captcha }, call);
  }

  async #asked(where: string, body: unknown, call: Call): Promise<void> {
    await this.#requests.post(where, body, call);
  }
}
