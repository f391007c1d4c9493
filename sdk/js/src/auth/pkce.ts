/** The secret of a sign-in by another service or by the sign-in page (PKCE, RFC 7636): only this browser has it. */

import { randomText } from "../transport.js";
import type { GuardedStorage } from "./storage.js";

/** Makes a verifier, keeps it, and returns its challenge. @internal */
export async function newChallenge(storage: GuardedStorage): Promise<string> {
  const verifier = randomText(32);
  ofTab((tab) => tab.setItem(nameIn(storage), verifier));
  await storage.save(verifier, nameIn(storage));
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(verifier));
  const text = btoa(String.fromCharCode(...new Uint8Array(digest)));
  return text.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** Returns the verifier of the sign-in that began last in this tab, or else in this browser. Forgets it. @internal */
export async function takeVerifier(storage: GuardedStorage): Promise<string> {
  const name = nameIn(storage);
  const mine = ofTab((tab) => tab.getItem(name));
  ofTab((tab) => tab.removeItem(name));
  const last = await storage.load(name);
  if (!mine || mine === last) await storage.save(null, name);
  return mine ?? last ?? "";
}

function nameIn(storage: GuardedStorage): string {
  return `${storage.key}:verifier`;
}

/** Two tabs may begin a sign-in at once, so each keeps its own verifier where it can. */
function ofTab<T>(use: (tab: Storage) => T): T | undefined {
  try {
    return globalThis.sessionStorage && use(globalThis.sessionStorage);
  } catch {
    return undefined; // the page may not use it
  }
}
