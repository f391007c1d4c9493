/** Typical hooks. The test passes if this file compiles. */

import type { Hooks } from "../index.d.ts";

export const hooks: Hooks = {
  beforeSignup({ user, method, invited }) {
    if (!invited && method.provider === "anonymous") return { refuse: "Please sign up with an address." };
    return { role: "member", claims: { domain: user.email?.split("@")[1] ?? "" } };
  },
  async beforeToken({ user, reason }, { data, log }) {
    const found = await data.get<{ plan: string }>("customers", user.id);
    log.debug(reason);
    return { claims: { plan: found.plan } };
  },
  async afterSignup({ user }, { data }) {
    await data.put("profiles", user.id, { name: user.name });
  },
  async sendSms({ message }, { env }) {
    const answer = await fetch(env["SMS_URL"] ?? "", { method: "POST", body: JSON.stringify(message) });
    if (!answer.ok) throw new Error(`the gateway answered ${answer.status}`);
  },
  beforeWrite({ op, before, next, caller, writes }) {
    if (op === "delete") return { refuse: `${String(before["title"])} stays.`, code: "stays" };
    if (caller.kind === "visitor" || writes.length > 10) return { refuse: "Sign in first." };
    return next["title"] === undefined ? undefined : { patch: { by: caller.user?.uid ?? null } };
  },
};

interface Shop {
  orders: { read: { _id: string; _rev: number; _created: string; _updated: string; count: number }; write: { count: number } };
}

export const typed: Hooks<Shop> = {
  beforeWrite({ op, collection, next }) {
    return op !== "delete" && collection === "orders" && next.count > 3 ? { refuse: "Too many." } : undefined;
  },
};

// @ts-expect-error: a decision has no such field
export const wrong: Hooks = { beforeSignup: () => ({ allow: true }) };

// @ts-expect-error: a patch is an object
export const number: Hooks = { beforeWrite: () => ({ patch: 1 }) };

// @ts-expect-error: there is no such hook
export const misspelt: Hooks = { beforeSignUp() {} };
