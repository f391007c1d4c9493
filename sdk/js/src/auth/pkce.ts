/**
 * The secret of a sign-in by another service or by the sign-in page (PKCE, RFC 7636). Only this browser has the secret.
 */

import type { GuardedStorage } from "./storage.js";

/** @internal */
export function newVerifier(): string {
  return base64url(crypto.getRandomValues(new Uint8Array(32)));
}

/** @internal */
export async function challengeOf(verifier: string): Promise<string> {
  return base64url(new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(verifier))));
}

/** Keeps the verifier (the secret) until the service redirects this browser back. @internal */
export async function keepVerifier(storage: GuardedStorage, verifier: string): Promise<void> {
  ofTab((tab) => tab.setItem(nameIn(storage), verifier));
  await storage.save(verifier, nameIn(storage));
}

/** Returns and deletes the verifier of the last sign-in that began in this tab, or else in this browser. @internal */
export async function takeVerifier(storage: GuardedStorage): Promise<string> {
  const name = nameIn(storage);
  const mine = ofTab((tab) => tab.getItem(name));
  ofTab((tab) => tab.removeItem(name));
  const last = await storage.load(name);
  if (!mine || mine === last) await storage.save(null, name);
  return mine ?? last ?? "";
}

function base64url(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

function nameIn(storage: GuardedStorage): string {
  return `${storage.key}:verifier`;
}

/**
 * Two tabs may begin a sign-in at the same time, so each tab keeps its own verifier if its storage can hold the
 * verifier.
 */
function ofTab<T>(use: (tab: Storage) => T): T | undefined {
  try {
    return globalThis.sessionStorage && use(globalThis.sessionStorage);
  } catch {
    return undefined; // the page may not use the storage
  }
}
