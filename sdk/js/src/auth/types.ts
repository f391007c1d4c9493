/**
 * The values of `auth`. Members of objects are named as in the HTTP API, and options are named as usual in TypeScript.
 */

import type { Call, Json } from "../call.js";

/** A signed-in user. Rules read `role` and `claims` as `auth.role` and `auth.claims`; the user may change `data`.
 * `claims` are the claims of the account; `client.auth.claims` are the claims of the access token. */
export interface User {
  id: string;
  email: string | null;
  email_verified: boolean;
  phone: string | null;
  phone_verified: boolean;
  name: string;
  language: string;
  role: string;
  claims: Readonly<Record<string, unknown>>;
  data: Readonly<Record<string, unknown>>;
  created_at: string;
  /** The user has not signed up yet. */
  anonymous: boolean;
}

/** A device on which the user is signed in. */
export interface Session {
  id: string;
  ip: string;
  agent: string;
  created_at: string;
  last_used_at: string;
  expires_at: string;
  /** True for the session of this client. */
  current: boolean;
  provider: string;
  aal: number;
  impersonated_by: string | null;
}

export interface Identity {
  id: string;
  provider: string;
  email: string | null;
  created_at: string;
  last_used_at: string;
}

export interface Passkey {
  id: string;
  name: string;
  created_at: string;
  last_used_at: string | null;
  synced: boolean;
}

/** A service by which users sign in, for the buttons of a page. */
export interface Provider {
  name: string;
  kind: string;
  title: string;
}

/** An event in the user's account. `action` is for example `user.sign_in` or `password.change`. */
export interface Activity {
  id: string;
  at: string;
  action: string;
  outcome: "challenged" | "done" | "refused";
  by: "key" | "member" | "system" | "unknown" | "user";
  ip: string;
  agent: string;
  method?: string;
  amr?: readonly string[];
  session?: string;
  target?: string;
  new_device?: boolean;
  count?: number;
  last_at?: string | null;
}

export interface Listed<T> {
  items: T[];
  /** The cursor of the next page, or null after the last page. */
  next: string | null;
}

export interface TotpSecret {
  secret: string;
  /** The address to show as a QR code. */
  uri: string;
}

/**
 * The reason of a change. `other_tab`: in another tab of this browser, the user has signed in or out, or another user
 * has signed in.
 */
export type Why = "initial" | "signed_in" | "signed_out" | "refreshed" | "expired" | "updated" | "other_tab";

export type AuthListener = (user: User | null, why: Why) => unknown;

/** The first step of a sign-in. */
export type SignIn =
  | { email: string; password: string }
  | { email: string; code: string }
  | { phone: string; code: string }
  | { link: string }
  | { customToken: string }
  | { passkey: true }
  | { anonymous: true; data?: Json | undefined; captcha?: string | undefined };

/**
 * Options of a sign-in. By default, an anonymous user becomes the user who signs in. With `upgrade: false`, the
 * anonymous user stays a separate user.
 */
export interface SignInCall extends Call {
  upgrade?: boolean | undefined;
}

export interface SignUp {
  email: string;
  password: string;
  data?: Json | undefined;
  name?: string | undefined;
  language?: string | undefined;
  captcha?: string | undefined;
  redirectTo?: string | undefined;
}

/** Options of a request for a mail or a text message. */
export interface MailCall extends Call {
  /** The URL of your app to which the link in the mail finally leads. */
  redirectTo?: string | undefined;
  captcha?: string | undefined;
}

export type SecondFactor = { code: string } | { recoveryCode: string } | { passkey: true };
export type Proof = { password: string } | { code: string } | { passkey: true };

/** The answer of every sign-in. @internal */
export interface SignedIn {
  user: User;
  access_token: string;
  refresh_token: string;
  expires_in: number;
}
