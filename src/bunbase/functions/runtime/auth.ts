/** `ctx.auth`: sends requests about users to the host. */

import type { Auth } from "./context.ts";
import { type AskBytes, textOf } from "./data.ts";
import { decodeText, encodeText } from "./frames.ts";

export function authOf(ask: AskBytes): Auth {
  const asked = async (method: string, body?: unknown): Promise<unknown> => {
    const bytes = await ask(`auth.${method}`, {}, body === undefined ? undefined : encodeText(textOf(body)));
    return bytes.length === 0 ? undefined : JSON.parse(decodeText(bytes));
  };
  const users = Object.freeze({
    get: (id: string) => asked("users.get", { id }),
    getByEmail: (email: string) => asked("users.getByEmail", { email }),
    list: (query: object = {}) => asked("users.list", query),
    create: (user: object) => asked("users.create", user),
    update: (id: string, changes: object) => asked("users.update", { id, changes }),
    delete: (id: string) => asked("users.delete", { id }),
    invite: (invitation: object) => asked("users.invite", invitation),
    renewTokens: (id: string) => asked("users.renewTokens", { id }),
    signOut: (id: string) => asked("users.signOut", { id }),
  });
  return Object.freeze({
    me: () => asked("me"),
    updateMe: (data: Readonly<Record<string, unknown>>) => asked("updateMe", { data }),
    users,
    customToken: async (uid: string, claims: Readonly<Record<string, unknown>> = {}) =>
      ((await asked("customToken", { uid, claims })) as { token: string }).token,
  }) as Auth;
}
