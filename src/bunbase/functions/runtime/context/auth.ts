/** Users: the caller of a function, and `ctx.auth`. */

/** The signed-in end user on whose behalf the function is called. */
export type Caller = Readonly<{
  uid: string;
  email: string | null;
  role: string;
  claims: Readonly<Record<string, unknown>>;
  /** True if the user has confirmed the address. */
  verified: boolean;
  /** How the user signed in: `password`, `anonymous`, `custom`, the name of a provider, … */
  provider: string;
  /** True if the user has not signed up yet. */
  anonymous: boolean;
  /** The number of factors that were checked at the sign-in. */
  aal: number;
  /** The id of the developer or key that uses the app in the user's place, or empty. */
  act: string;
}>;

/** An end user of the project, with current values. Users may write their own `data`. */
export type User = Readonly<{
  id: string;
  email: string | null;
  email_verified: boolean;
  role: string;
  claims: Readonly<Record<string, unknown>>;
  data: Readonly<Record<string, unknown>>;
  created_at: string;
  name: string;
  phone: string | null;
  phone_verified: boolean;
  anonymous: boolean;
}>;

/** A user, with the fields that only administration sees. */
export type ManagedUser = User &
  Readonly<{ banned: boolean; has_password: boolean; banned_until: string | null; last_sign_in_at: string | null }>;

/**
 * The fields of a user that a function can set. Rules read `role` and `claims` as `auth.role` and `auth.claims`.
 * `claims`: at most 1 KiB of JSON.
 */
export type UserFields = Readonly<{
  name?: string;
  phone?: string | null;
  phone_verified?: boolean;
  language?: string;
  email_verified?: boolean;
  password?: string;
  role?: string;
  claims?: Readonly<Record<string, unknown>>;
  data?: Readonly<Record<string, unknown>>;
}>;

/**
 * A search for users. `email`: the whole address. `q`: the beginning of the address or the name. `provider`: a service,
 * or `password`.
 */
export type UserQuery = Readonly<{
  email?: string;
  q?: string;
  role?: string;
  banned?: boolean;
  phone?: string;
  provider?: string;
  anonymous?: boolean;
  created_since?: string;
  order?: "newest" | "oldest" | "email";
  limit?: number;
  cursor?: string | null;
}>;

/**
 * The project's users, with the full rights of the project. Methods throw a Problem such as `user_not_found` or
 * `email_taken`.
 */
export type Users = Readonly<{
  get(id: string): Promise<ManagedUser>;
  getByEmail(email: string): Promise<ManagedUser>;
  /** Returns users, newest first. */
  list(query?: UserQuery): Promise<Readonly<{ items: readonly ManagedUser[]; next: string | null }>>;
  create(user: UserFields & Readonly<{ email?: string }>): Promise<ManagedUser>;
  /**
   * Changes the named fields and keeps all other fields. If the change affects the content of access tokens, the old
   * access tokens become invalid within a second.
   */
  update(id: string, changes: UserFields & Readonly<{ email?: string; banned?: boolean; banned_until?: string | null }>): Promise<ManagedUser>;
  delete(id: string): Promise<void>;
  /** Ends all the user's sessions. */
  signOut(id: string): Promise<void>;
}>;

/**
 * `me` and `updateMe` use the signed-in user of this call. If nobody is signed in, they throw a Problem
 * (`unauthenticated`).
 */
export type Auth = Readonly<{
  me(): Promise<User>;
  updateMe(data: Readonly<Record<string, unknown>>): Promise<User>;
  users: Users;
  /**
   * Returns a token that signs the user in at `POST /v1/auth/login/custom-token`. The token works once, within five
   * minutes.
   */
  customToken(uid: string, claims?: Readonly<Record<string, unknown>>): Promise<string>;
}>;
