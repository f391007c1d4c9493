/** Hooks: decisions of a function about sign-ups, tokens, messages and writes. */

import type { Context } from "../context.ts";
import type { Caller, User } from "./auth.ts";
import type { AnyDatabase, AnyDocument, Name, Read, System } from "./data.ts";

/**
 * The method with which a user signs in or up. `provider`: the same as `Caller.provider`. `amr`: the names of the
 * checks (RFC 8176).
 */
export type SignInMethod = Readonly<{ provider: string; amr: readonly string[]; aal: number }>;

/**
 * `user`: the user who will be stored. `invited`: true if a member of the project has invited the person. `ip`: the
 * person's IP address.
 */
export type BeforeSignup = Readonly<{
  hook: "before_signup";
  user: User;
  method: SignInMethod;
  invited: boolean;
  ip: string;
}>;

/**
 * `refuse`: if set, no user is created, and the person reads this text (at most 200 characters). The other fields
 * replace the fields of the user.
 */
export type SignupDecision =
  | Readonly<{ refuse: string }>
  | Readonly<{
      role?: string;
      claims?: Readonly<Record<string, unknown>>;
      data?: Readonly<Record<string, unknown>>;
    }>;

/** `reason`: the reason for a new access token. `session`: the id of the session of the token. */
export type BeforeToken = Readonly<{
  hook: "before_token";
  user: User;
  method: SignInMethod;
  session: string;
  reason: "sign_in" | "refresh" | "reauthenticate" | "impersonate";
}>;

export type TokenDecision = Readonly<{ claims?: Readonly<Record<string, unknown>> }>;

/**
 * `user`: the user with current values. The hook may have been called for this user before, so use `user.id` as the key
 * of its effects.
 */
export type AfterSignup = Readonly<{ hook: "after_signup"; user: User; provider: string }>;

/**
 * A mail to a user. If the mail is sent again, `id` stays the same. `from`: the name of the sender that the mail should
 * show, or "".
 */
export type SendMail = Readonly<{
  hook: "send_mail";
  mail: Readonly<{
    id: string;
    kind: string;
    to: string;
    subject: string;
    text: string;
    html: string;
    from: string;
    reply_to: string;
  }>;
}>;

/** A text message with a code. `kind`: the purpose of the code. */
export type SendSms = Readonly<{
  hook: "send_sms";
  message: Readonly<{ phone: string; code: string; kind: string; language: string; app_name: string }>;
}>;

/**
 * The caller of a write. `kind`: a signed-in user, a visitor, a program with the secret key (also a function), or a
 * member of the project.
 */
export type Writer = Readonly<{ kind: "user" | "visitor" | "server" | "member"; user: Caller | null }>;

type AllowedWrite<N, R> = Readonly<{ collection: N; id: string }> &
  (
    | Readonly<{ op: "create"; before: null; next: R }>
    | Readonly<{ op: "update"; before: R; next: R }>
    | Readonly<{ op: "delete"; before: R; next: null }>
  );

/**
 * A write that the rules and the schema allow. `before`: the stored document. `next`: the document that will be stored.
 */
export type ChangeOf<D extends object = AnyDatabase> = AnyDatabase extends D
  ? AllowedWrite<string, AnyDocument & System>
  : { [N in Name<D>]: AllowedWrite<N, Read<D, N>> }[Name<D>];

/** `writes`: all writes of the same commit for which this function is called, in order. */
export type BeforeWrite<D extends object = AnyDatabase> = Readonly<{
  hook: "before_write";
  caller: Writer;
  writes: readonly ChangeOf<D>[];
}> &
  ChangeOf<D>;

/**
 * `refuse`: if set, nothing is written, and the user reads this text (at most 200 characters). `code`: the reason for
 * programs, such as `sold_out`. `patch`: a merge patch for `next`.
 */
export type WriteDecision = Readonly<{ refuse: string; code?: string }> | Readonly<{ patch: AnyDocument }>;

type Answer<T> = T | null | undefined | void | Promise<T | null | undefined | void>;

/**
 * The hooks of a function: `export const hooks: Hooks = { … }`. The project's setting `hooks` names the function that
 * BunBase calls. For `beforeWrite`, the setting `before_write` of a collection names the function. No request can call
 * a hook. If a hook throws, or does not answer in time, it has failed: then nobody is signed up or in, a mail or
 * message is not sent, and nothing is written. `D`: the `Database` that `bunbase gen types` writes.
 */
export type Hooks<D extends object = AnyDatabase> = Readonly<{
  /**
   * Decides whether a person becomes a user, and with which fields. If the hook returns nothing, the user is created
   * unchanged.
   */
  beforeSignup?(event: BeforeSignup, context: Context): Answer<SignupDecision>;
  /** Adds claims to an access token, at most 1 KiB of JSON. Rules read them as `auth.claims`. */
  beforeToken?(event: BeforeToken, context: Context): Answer<TokenDecision>;
  /** Runs as a job after a sign-up, until it succeeds or has no attempts left. */
  afterSignup?(event: AfterSignup, context: Context): unknown;
  /** Sends a mail in place of the server. If the hook throws, the mail is sent again later. */
  sendMail?(event: SendMail, context: Context): unknown;
  /** Sends a text message. */
  sendSms?(event: SendSms, context: Context): unknown;
  /**
   * Decides about a write to a collection that names this function. If the hook returns nothing, the document is stored
   * unchanged.
   */
  beforeWrite?(event: BeforeWrite<D>, context: Context<D>): Answer<WriteDecision>;
}>;
