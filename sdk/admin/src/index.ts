/**
 * BunBase for your servers.
 *
 * ```ts
 * import { createAdmin } from "bunbase-admin";
 *
 * const admin = createAdmin("https://api.example.com", "sk_…");
 * const post = await admin.data.collection("posts").create({ title: "Hello" });
 * await admin.users.update(uid, { role: "editor" });
 * ```
 */

import type { AnyDatabase, Schema } from "bunbase-js";
import { invalidValue } from "bunbase-js/internal";
import { Admin } from "./admin.js";
import { type AdminOptions, Connection } from "./connection.js";
import { type Credential, fromEnvironment } from "./credentials.js";

export { Problem } from "bunbase-js";
export type { AnyDatabase, Call, Collection, Data, Json, Listed, Page, ProblemCode, Query, Schema, Transaction, User, Write } from "bunbase-js";
export type {
  CopyOptions,
  DownloadOptions,
  FileConditions,
  FileContent,
  FileDownload,
  FileInfo,
  FilePage,
  ImageTransform,
  ListOptions,
  Progress,
  RemovedFile,
  StoredFile,
  Transformed,
  UploadOptions,
} from "bunbase-js";
export type { ChannelListener, JoinOptions, Live, LiveQuery, LiveResult, Member } from "bunbase-js/live";
export type { Claims, VerifyCall } from "bunbase-js/server";
export type { Acting, Admin, Export, Import, Imported } from "./admin.js";
export type { Auth } from "./auth.js";
export type { Change, ChangesOptions } from "./changes.js";
export type * from "./channels.js";
export type * from "./collections.js";
export type { AdminOptions, PageCall } from "./connection.js";
export type { ClientKey, ClientSecret, Credential, ServiceAccount } from "./credentials.js";
export type * from "./files.js";
export type * from "./functions.js";
export type { LineError } from "./importing.js";
export type * from "./jobs.js";
export type { FollowOptions, LogLevel, LogLine, LogOptions } from "./logs.js";
export type { Lines } from "./parts.js";
export type { FollowCall } from "./patience.js";
export type * from "./rules.js";
export type { ServiceToken } from "./service_tokens.js";
export type * from "./user_types.js";
export type { Invites, Users } from "./users.js";
export type * from "./webhooks.js";

/**
 * Makes a client for a server. `credential`: a secret key, a service account, a service token, or a personal access
 * token with the option `project`. Throws if a page calls this function.
 *
 * ```ts
 * const admin = createAdmin<Database>("https://api.example.com", { clientId: "sa_…", clientSecret: "scs_…" });
 * ```
 */
export function createAdmin<D extends Schema<D> = AnyDatabase>(
  url: string,
  credential: Credential,
  options: AdminOptions = {},
): Admin<D> {
  if ((globalThis as { window?: { document?: unknown } }).window?.document)
    throw invalidValue("credential", "bunbase-admin is for servers: everybody who opens a page can read its secrets. Use bunbase-js.");
  return new Admin<D>(new Connection(url, credential, options));
}

/**
 * Makes a client from the environment: `BUNBASE_URL` with `BUNBASE_SECRET_KEY`, or with `BUNBASE_TOKEN` and
 * `BUNBASE_PROJECT`; or `BUNBASE_SERVICE_ACCOUNT`, the path of a JSON file that only its owner may read:
 * `{"url", "client_id", "client_secret"}`, or `"private_key"` in place of the secret.
 *
 * ```ts
 * const admin = await createAdminFromEnv<Database>();
 * ```
 */
export async function createAdminFromEnv<D extends Schema<D> = AnyDatabase>(options: AdminOptions = {}): Promise<Admin<D>> {
  const { url, credential, project } = await fromEnvironment();
  return createAdmin<D>(url, credential, { ...options, project: options.project ?? project });
}
