/** The passkeys of the browser: WebAuthn Level 3, whose options and answers are JSON. */

import type { Call } from "../call.js";
import type { AuthRequests } from "./requests.js";

/** @internal */
export interface PasskeyOptions {
  public_key: unknown;
}

/** Asks the browser to sign a challenge with a passkey. @internal */
export function answerWithPasskey(requests: AuthRequests, { public_key }: PasskeyOptions, call?: Call): Promise<unknown> {
  return asked(requests, call, async () => {
    const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(public_key as never);
    return navigator.credentials.get({ publicKey, ...signalOf(call) });
  });
}

/** Asks the browser to create a passkey. @internal */
export function createPasskey(requests: AuthRequests, { public_key }: PasskeyOptions, call?: Call): Promise<unknown> {
  return asked(requests, call, async () => {
    const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(public_key as never);
    return navigator.credentials.create({ publicKey, ...signalOf(call) });
  });
}

async function asked({ Problem }: AuthRequests, call: Call | undefined, ask: () => Promise<Credential | null>): Promise<unknown> {
  if (!("PublicKeyCredential" in globalThis))
    throw new Problem({ code: "passkey_failed", detail: "This browser or this page has no passkeys. Use another way." });
  try {
    return ((await ask()) as PublicKeyCredential).toJSON();
  } catch (cause) {
    if (call?.signal?.aborted)
      throw new Problem({ code: "aborted", detail: "The call was aborted by its signal." }, { cause });
    const detail = `The browser gave no passkey (${(cause as Error).message}). Try again, or use another way.`;
    throw new Problem({ code: "passkey_failed", detail }, { cause });
  }
}

function signalOf(call: Call | undefined): { signal?: AbortSignal } {
  return call?.signal ? { signal: call.signal } : {};
}
