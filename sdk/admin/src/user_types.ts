/** The values of `admin.users`. Objects have the names of the HTTP API. */

import type { Activity, Call, User } from "bunbase-js";
import type { LineError } from "./importing.js";

/** A user as administrators see it. */
export interface ManagedUser extends User {
  banned: boolean;
  banned_until: string | null;
  has_password: boolean;
  last_sign_in_at: string | null;
}

/** The fields of a user that a server sets. Rules read `role` and `claims` as `auth.role` and `auth.claims`. */
export interface UserFields {
  name?: string;
  phone?: string | null;
  phone_verified?: boolean;
  language?: string;
  email_verified?: boolean;
  password?: string;
  role?: string;
  claims?: Readonly<Record<string, unknown>>;
  data?: Readonly<Record<string, unknown>>;
}

export interface NewUser extends UserFields {
  email?: string;
}

export interface UserChanges extends UserFields {
  email?: string;
  banned?: boolean;
  /** The end of the ban, as RFC 3339. With null, the ban never ends. */
  banned_until?: Date | string | null;
  /**
   * If true, the user's access tokens become invalid within a second. Sessions stay open, and clients fetch new tokens
   * automatically.
   */
  renew_tokens?: boolean;
}

/** Conditions of a search. `q`: a prefix of the address or of the name, or a whole phone number. */
export interface UserFilter {
  email?: string;
  q?: string;
  phone?: string;
  /** A way to sign in: the name of a service, or `password`. */
  provider?: string;
  role?: string;
  banned?: boolean;
  anonymous?: boolean;
  created_since?: string;
}

export interface UserQuery extends UserFilter {
  order?: "newest" | "oldest" | "email";
  limit?: number;
  cursor?: string | null;
}

export interface UserSession {
  id: string;
  ip: string;
  agent: string;
  created_at: string;
  last_used_at: string;
  expires_at: string;
  aal: number;
  provider: string;
  impersonated_by: string | null;
}

/** An event in the account of a user. `actor`: the id of the member or key, if it was not the user. */
export interface UserEvent extends Activity {
  user: string;
  actor?: string;
}

/** A token with which you use the app in the user's place. The token cannot be renewed. */
export interface Impersonated {
  user: User;
  access_token: string;
  token_type: string;
  expires_in: number;
  session: string;
  impersonated_by: string;
}

export type LinkKind = "password_reset" | "sign_in" | "verify_email";

export interface UserLink {
  kind: LinkKind;
  email: string;
  url: string;
  expires_at: string;
}

/** A change of many users: at most 1,000 `ids`, or the users that a filter finds. */
export type BulkChange = { action: "ban" | "unban" | "delete" | "sign_out" } & (
  | { ids: readonly string[] }
  | { filter: UserFilter; limit?: number; cursor?: string | null }
);

/**
 * `digest`: the SHA-256 of the sorted ids of the changed users. `next`: send it as `cursor` for the next users of the
 * filter.
 */
export interface BulkResult {
  action: string;
  done: number;
  failed: { id: string; code: string }[];
  digest: string;
  next: string | null;
}

export interface UserImport extends Call {
  /** How to treat a user that already exists: `skip` by default. */
  onConflict?: "skip" | "update" | "error" | undefined;
  /** If true, BunBase checks all lines, and writes nothing. */
  dryRun?: boolean | undefined;
  /** The number of the first line that still has to be imported. Lines are counted from 1. */
  fromLine?: number | undefined;
  /**
   * The client calls this function with each refused line, up to the first 1,000 refused lines of each part of 4 MiB.
   */
  onError?(error: LineError): void;
}

export interface ImportedUsers {
  imported: number;
  updated: number;
  skipped: number;
  failed: number;
  last_line: number;
  errors: LineError[];
}

export interface UserExport extends Call {
  /** If true, the export also contains the hashes of passwords. A key with scopes needs the scope `secrets`. */
  hashes?: boolean | undefined;
  /** The id of the last user that an earlier export has written. */
  after?: string | undefined;
}

export interface NewInvite {
  email: string;
  role?: string;
  language?: string;
  data?: Readonly<Record<string, unknown>>;
  /** The URL of your app that the page of the link opens at the end: one of the project's `redirect_urls`. */
  redirect_to?: string;
  /** The name of the inviting person, for the texts of the mail: at most 100 characters. */
  inviter?: string;
  /** The name of the invitation's target, such as a chat room, for the texts of the mail: at most 100 characters. */
  target?: string;
}

/** `url`: the link in the mail, which BunBase returns only once. */
export interface Invite {
  id: string;
  email: string;
  role: string;
  expires_at: string;
  url: string;
}

export interface OpenInvite {
  id: string;
  email: string;
  role: string;
  created_at: string;
  expires_at: string;
}
