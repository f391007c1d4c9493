import type { Account } from "./account.js";
import type { Totp } from "./factors.js";
import type { Identities, Sessions } from "./lists.js";
import type { Passkeys } from "./passkeys.js";
import { type AuthRequests, browser } from "./requests.js";

interface Parts {
  Account: Account;
  Identities: Identities;
  Passkeys: Passkeys;
  Sessions: Sessions;
  Totp: Totp;
}

type Method = (...parameters: unknown[]) => unknown;

/**
 * Returns the methods of a part that few pages need. The part is loaded at the first call of one of these methods.
 * `methods` contains the names of all methods, which the compiler checks. @internal
 */
export function later<P extends keyof Parts>(requests: AuthRequests, part: P, methods: Record<keyof Parts[P], 0>): Parts[P] {
  const made: Record<string, Method> = {};
  for (const name in methods)
    made[name] = async (...parameters) => {
      const { [part]: Part } = await browser();
      return (new Part(requests) as unknown as Record<string, Method>)[name]!(...parameters);
    };
  return made as unknown as Parts[P];
}
