import type { Auth } from "./auth/auth.js";
import type { Transport } from "./transport.js";

export interface Signed {
  /** The `auth` of the same project, from `createAuth`. The signed-in user makes the calls. */
  auth?: Auth;
}

/** @internal */
export function signedBy(transport: Transport, { auth }: Signed): Transport {
  transport.credentials = auth?.credentials;
  return transport;
}
