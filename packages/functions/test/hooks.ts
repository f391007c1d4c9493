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
};

// @ts-expect-error: a decision has no such field
export const wrong: Hooks = { beforeSignup: () => ({ allow: true }) };

// @ts-expect-error: there is no such hook
export const misspelt: Hooks = { beforeSignUp() {} };
