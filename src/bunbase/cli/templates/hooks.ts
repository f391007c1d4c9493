/**
 * Decides about sign-ups, adds claims to tokens, and works after a sign-up. Name the hooks that you use in bunbase.toml:
 *
 *     [auth.hooks]
 *     before_signup = "<name>"
 *     before_token = "<name>"
 *     after_signup = "<name>"
 *
 * Then run: bunbase deploy <name>, and bunbase auth push. docs/auth/hooks.md describes more, such as send_mail and send_sms.
 *
 * This file declares only the types that it uses. @bunbase/functions has all types: `const hooks: Hooks = { … }`.
 */

interface User {
  id: string;
  email: string | null;
  role: string;
}

interface Context {
  log: { info(...values: unknown[]): void };
}

export const hooks = {
  /** Runs before a user is stored. Return { refuse: "text" }, or { role, claims, data }, or nothing. */
  beforeSignup({ user }: { user: User }): { refuse: string } | undefined {
    if (user.email?.endsWith("@throwaway.example")) return { refuse: "Please use another address." };
    return undefined;
  },

  /** Runs before each access token is signed. Rules read the claims as auth.claims. */
  beforeToken({ user }: { user: User }): { claims: Record<string, unknown> } {
    return { claims: { team: user.role === "editor" } };
  },

  /** Runs as a job after a user was stored. It may run twice for the same user. */
  afterSignup({ user }: { user: User }, ctx: Context): void {
    ctx.log.info("a new user:", user.id); // read it with: bunbase logs <name>
  },
};
