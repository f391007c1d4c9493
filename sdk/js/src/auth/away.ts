/** Sign-ins that continue on another page: another service, the sign-in page, or the page of a mailed link. */

import type { Call } from "../call.js";
import type { Problem } from "../problem.js";
import { challengeOf, keepVerifier, newVerifier, takeVerifier } from "./pkce.js";
import { type Answer, answerOfWindow, handOver, refused, WINDOW } from "./popup.js";
import type { AuthRequests } from "./requests.js";
import type { SignInCall, User } from "./types.js";

const MARKS = ["code", "token", "error", WINDOW];

/**
 * Options of a sign-in on another page. `navigate` opens a URL; by default, the browser leaves this page for the URL.
 */
export interface AwayCall extends Call {
  popup?: false | undefined;
  /**
   * The URL of your app to which the browser is redirected back. The project's `redirect_urls` must contain this URL or
   * a URL above it.
   */
  redirectTo?: string | undefined;
  navigate?: ((url: string) => unknown) | undefined;
}

/**
 * Options of a sign-in in a window. After the sign-in, the window opens `redirectTo`, a page of the same origin that
 * calls `finishRedirect`. `timeoutMs`: the timeout for the sign-in, by default ten minutes.
 */
export interface PopupCall extends Call {
  popup: true;
  redirectTo?: string | undefined;
}

/** The user who has signed in in a window. Without a window there is no result, because the browser leaves the page. */
export type Returned<C> = C extends PopupCall ? User : void;

interface Ticket {
  ticket: string;
}

let finished: string | undefined;

/**
 * Opens `where` in this page, or in the window `shown`. With a window, returns the user who has signed in. `linked`:
 * the service to link to the present user. @internal
 */
export async function leave(
  requests: AuthRequests,
  where: string,
  call: AwayCall | PopupCall,
  shown: Window | null | undefined,
  linked?: string,
): Promise<User | void> {
  const { transport, keeper } = requests;
  const verifier = newVerifier();
  let answer: Answer;
  try {
    const { redirectTo = thisPage(requests, "redirectTo").split(/[?#]/)[0]! } = call;
    const ticket = linked && (await requests.send<Ticket>("POST", "/identities/link", { provider: linked }, call));
    const asked = { key: transport.key, code_challenge: await challengeOf(verifier), ...(ticket && { link: ticket.ticket }) };
    const address = (redirect_to: string) =>
      `${transport.origin}/v1/auth${where}?${new URLSearchParams({ redirect_to, ...asked })}`;
    if (!call.popup) {
      if (call.signal?.aborted) return await transport.within(call, async () => {}); // this throws the reason
      await keepVerifier(keeper.storage, verifier);
      await (call.navigate ?? ((to) => location.assign(to)))(address(redirectTo));
      return;
    }
    answer = await answerOfWindow(requests, shown, redirectTo, address, call);
  } finally {
    shown?.close(); // this has no effect if a service has isolated the window; the window then closes itself
  }
  const { code, error } = answer;
  if (!code) throw refused(requests, error ?? "unexpected_answer");
  return requests.signIn("/oauth/exchange", { code, verifier }, { ...call, timeoutMs: undefined });
}

/** Completes a sign-in that began on another page. `given`: a URL to use instead of the URL of this page. @internal */
export async function finish(
  requests: AuthRequests,
  given: string | undefined,
  href: string | undefined,
  call?: SignInCall,
): Promise<User | null> {
  const from = given ?? href ?? thisPage(requests, "url");
  if (!given && finished === from) return null; // a page may call the function twice, as in strict mode of React
  const address = addressOf(requests, from);
  const { searchParams } = address;
  const [code, token, error, name] = MARKS.map((mark) => {
    const value = searchParams.get(mark);
    searchParams.delete(mark);
    return value;
  });
  if (!code && !token && !error) return null;
  if (!given) {
    finished = from;
    if (location.href === from) history.replaceState(history.state, "", address);
  }
  if (name) return handOver(requests, name, { code, error });
  if (error) throw refused(requests, error);
  const { storage } = requests.keeper;
  if (token) {
    // a stranger may have sent this link, and must not get the data of the anonymous user
    const upgrade = Boolean(await storage.load(`${storage.key}:link`));
    await storage.save(null, `${storage.key}:link`);
    return requests.signIn("/login/link", { token }, { ...call, upgrade: call?.upgrade ?? upgrade });
  }
  const verifier = await takeVerifier(storage);
  return requests.signIn("/oauth/exchange", { code, verifier }, call);
}

function thisPage(requests: AuthRequests, name: string): string {
  if (!globalThis.location) throw invalid(requests, name, "This program is not a page, so name the address.");
  return location.href;
}

function addressOf(requests: AuthRequests, url: string): URL {
  try {
    return new URL(url);
  } catch {
    throw invalid(requests, "url", "Use an address such as https://app.example.com.");
  }
}

function invalid({ Problem }: AuthRequests, path: string, message: string): Problem {
  return new Problem({ code: "invalid_value", detail: `${path}: ${message}`, errors: [{ path, message }] });
}
