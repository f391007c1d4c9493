/** The users of the project. */

import { type Call, type Listed, Problem } from "bunbase-js";
import { path } from "bunbase-js/internal";
import { type Connection, type PageCall, paged, search } from "./connection.js";
import { exported } from "./exporting.js";
import { imported } from "./importing.js";
import type { Lines } from "./parts.js";
import type {
  BulkChange,
  BulkResult,
  Impersonated,
  ImportedUsers,
  Invite,
  LinkKind,
  ManagedUser,
  NewInvite,
  NewUser,
  OpenInvite,
  UserChanges,
  UserEvent,
  UserExport,
  UserImport,
  UserLink,
  UserQuery,
  UserSession,
} from "./user_types.js";

const USERS = "/v1/auth/users";
const INVITES = "/v1/auth/invites";

export class Users {
  readonly invites: Invites;
  readonly #connection: Connection;

  /** @internal */
  constructor(connection: Connection) {
    this.#connection = connection;
    this.invites = new Invites(connection);
  }

  /**
   * Returns a user. Throws `user_not_found`.
   *
   * ```ts
   * const { email, role } = await admin.users.get(uid);
   * ```
   */
  async get(id: string, call?: Call): Promise<ManagedUser> {
    return this.#connection.read(USERS + path(id), call);
  }

  /**
   * Returns the user with an address. Throws `user_not_found`.
   *
   * ```ts
   * const eve = await admin.users.getByEmail("eve@example.com");
   * ```
   */
  async getByEmail(email: string, call?: Call): Promise<ManagedUser> {
    const [found] = (await this.list({ email, limit: 1 }, call)).items;
    if (found) return found;
    throw new Problem({ code: "user_not_found", status: 404, detail: "The project has no user with this address." });
  }

  /**
   * Returns one page of the users, the newest first.
   *
   * ```ts
   * const { items, next } = await admin.users.list({ role: "editor", limit: 100 });
   * ```
   */
  async list(query: UserQuery = {}, call?: Call): Promise<Listed<ManagedUser>> {
    return this.#connection.read(USERS + search({ ...query }), call);
  }

  /**
   * Yields all users that match, page by page. `limit` is the size of a page.
   *
   * ```ts
   * for await (const user of admin.users.all({ banned: true })) console.log(user.id, user.banned_until);
   * ```
   */
  all(query: UserQuery = {}, call?: Call): AsyncGenerator<ManagedUser, void, void> {
    return paged((cursor) => this.list({ limit: 500, ...query, cursor }, call), query.cursor);
  }

  /**
   * Creates a user with an address, a phone number, or both. Throws `email_taken`.
   *
   * ```ts
   * const eve = await admin.users.create({ email: "eve@example.com", role: "editor" });
   * ```
   */
  async create(user: NewUser, call?: Call): Promise<ManagedUser> {
    return this.#connection.send({ method: "POST", path: USERS, body: user }, call);
  }

  /**
   * Changes the named fields. `claims` and `data` are replaced as a whole. If the change affects the content of access
   * tokens, the old access tokens become invalid within a second. Set `banned` and `banned_until` to ban a user, or to
   * end a ban.
   *
   * ```ts
   * await admin.users.update(uid, { role: "editor", claims: { team: "one" } });
   * await admin.users.update(uid, { banned: true });
   * ```
   */
  async update(id: string, changes: UserChanges, call?: Call): Promise<ManagedUser> {
    return this.#connection.send({ method: "PATCH", path: USERS + path(id), body: changes, repeatable: true }, call);
  }

  /**
   * Deletes a user. The user's documents stay, except those that the project's setting `deletion` names.
   *
   * ```ts
   * await admin.users.delete(uid);
   * ```
   */
  async delete(id: string, call?: Call): Promise<void> {
    await this.#connection.send({ method: "DELETE", path: USERS + path(id) }, call);
  }

  /**
   * Ends all sessions of a user.
   *
   * ```ts
   * await admin.users.signOut(uid);
   * ```
   */
  async signOut(id: string, call?: Call): Promise<void> {
    await this.#connection.send({ method: "DELETE", path: `${USERS}${path(id)}/sessions`, repeatable: true }, call);
  }

  /**
   * Returns one page of the valid sessions of a user, the newest first.
   *
   * ```ts
   * const { items } = await admin.users.sessions(uid);
   * ```
   */
  async sessions(id: string, { limit, cursor, ...call }: PageCall = {}): Promise<Listed<UserSession>> {
    return this.#connection.read(`${USERS}${path(id)}/sessions${search({ limit, cursor })}`, call);
  }

  /**
   * Returns one page of events about the credentials of a user, newest first.
   *
   * ```ts
   * const { items } = await admin.users.activity(uid, { limit: 100 });
   * ```
   */
  async activity(id: string, { limit, cursor, ...call }: PageCall = {}): Promise<Listed<UserEvent>> {
    return this.#connection.read(`${USERS}${path(id)}/activity${search({ limit, cursor })}`, call);
  }

  /**
   * Returns a token with which you use the app in the user's place. BunBase writes the reason to the audit log. For
   * requests of your own server, `admin.as(uid)` is better, because it creates no session.
   *
   * ```ts
   * const { access_token } = await admin.users.impersonate(uid, { reason: "ticket 4711" });
   * ```
   */
  async impersonate(id: string, { reason, ...call }: { reason?: string } & Call = {}): Promise<Impersonated> {
    return this.#connection.send({ method: "POST", path: `${USERS}${path(id)}/impersonate`, body: { reason } }, call);
  }

  /**
   * Returns the link that a mail would contain, and sends no mail. Only the user should get this link.
   *
   * ```ts
   * const { url } = await admin.users.createLink(uid, "password_reset");
   * ```
   */
  async createLink(id: string, kind: LinkKind, { redirectTo, ...call }: { redirectTo?: string } & Call = {}): Promise<UserLink> {
    const body = { kind, redirect_to: redirectTo };
    return this.#connection.send({ method: "POST", path: `${USERS}${path(id)}/links`, body }, call);
  }

  /**
   * Removes the second factors and passkeys of a user who has lost them, and ends the sessions.
   *
   * ```ts
   * await admin.users.resetFactors(uid);
   * ```
   */
  async resetFactors(id: string, call?: Call): Promise<void> {
    await this.#connection.send({ method: "POST", path: `${USERS}${path(id)}/reset-factors`, repeatable: true }, call);
  }

  /**
   * Bans, unbans, deletes or signs out many users.
   *
   * ```ts
   * const { done, failed } = await admin.users.changeMany({ action: "ban", ids: ["usr_1", "usr_2"] });
   * ```
   */
  async changeMany(change: BulkChange, call?: Call): Promise<BulkResult> {
    return this.#connection.send({ method: "POST", path: `${USERS}/bulk`, body: change }, call);
  }

  /**
   * Returns all users as lines of JSON, in the form that `import` takes. If the stream breaks, it throws a problem:
   * pass its `body.after` to another export to continue.
   *
   * ```ts
   * const lines = await admin.users.export();
   * await writeFile("users.ndjson", lines);
   * ```
   */
  async export({ hashes, after, ...call }: UserExport = {}): Promise<ReadableStream<Uint8Array>> {
    return exported(this.#connection, `${USERS}/export`, { hashes, after }, call, (line) => line["id"]);
  }

  /**
   * Imports users with their ids, and with the hashes of their passwords. If the server refuses a line, it still
   * imports the other lines.
   *
   * ```ts
   * const { imported, failed } = await admin.users.import(createReadStream("users.ndjson"), {
   *   onError: ({ line, detail }) => console.warn(line, detail),
   * });
   * ```
   */
  async import(lines: Lines, { onConflict, dryRun, ...options }: UserImport = {}): Promise<ImportedUsers> {
    const address = `${USERS}/import${search({ on_conflict: onConflict, dry_run: dryRun })}`;
    const repeatable = onConflict !== "error"; // importing a line again creates no second user
    return imported<ImportedUsers>(this.#connection, address, lines, { ...options, repeatable });
  }
}

/** The invitations of people who are not users yet. */
export class Invites {
  readonly #connection: Connection;

  /** @internal */
  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /**
   * Returns one page of the open invitations.
   *
   * ```ts
   * const { items } = await admin.users.invites.list();
   * ```
   */
  async list({ limit, cursor, ...call }: PageCall = {}): Promise<Listed<OpenInvite>> {
    return this.#connection.read(INVITES + search({ limit, cursor }), call);
  }

  /**
   * Invites a person by mail. The answer has the link of the mail.
   *
   * ```ts
   * const { id, url } = await admin.users.invites.create({ email: "fred@example.com", role: "editor" });
   * ```
   */
  async create(invite: NewInvite, call?: Call): Promise<Invite> {
    return this.#connection.send({ method: "POST", path: INVITES, body: invite }, call);
  }

  /**
   * Withdraws an invitation.
   *
   * ```ts
   * await admin.users.invites.withdraw("inv_1");
   * ```
   */
  async withdraw(id: string, call?: Call): Promise<void> {
    await this.#connection.send({ method: "DELETE", path: INVITES + path(id) }, call);
  }
}
