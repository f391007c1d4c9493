/**
 * A sign-in in a separate window.
 *
 * The life of one sign-in: `signInWith` opens an empty window within the click → the window opens the service, which
 * redirects it to `redirectTo` with a code and the name of a channel → on that page, `finishRedirect` sends the code
 * through the channel, and closes the window → the page that opened the window exchanges the code, because only this
 * page has the verifier. A channel is used instead of `opener`, because a service that isolates itself
 * (Cross-Origin-Opener-Policy) removes the opener permanently.
 */

import type { Call } from "../call.js";
import type { Problem } from "../problem.js";
import type { ProblemCode } from "../problem_codes.js";
import { newVerifier } from "./pkce.js";
import type { AuthRequests } from "./requests.js";

/** The parameter of `redirectTo` with the name of the channel. @internal */
export const WINDOW = "bunbase_window";
const TEN_MINUTES_MS = 600_000;
const LOOK_MS = 250;
/**
 * The time for which a window must look closed before it counts as closed. A window that a service has isolated looks
 * closed although the person still uses it, but then this page has no focus.
 */
const CLOSED_MS = 2000;
const HANDED_OVER_MS = 3000;

/** @internal */
export interface Answer {
  code?: string | null | undefined;
  error?: string | null | undefined;
}

/** Returns the answer that the window sends to this page. @internal */
export function answerOfWindow(
  requests: AuthRequests,
  shown: Window | null | undefined,
  redirectTo: string,
  address: (redirectTo: string) => string,
  call: Call,
): Promise<Answer> {
  const back = new URL(redirectTo);
  const { Problem, transport } = requests;
  if (back.origin !== location.origin)
    throw new Problem({ code: "invalid_value", detail: "redirectTo: A window must come back to the origin of this page." });
  if (!shown)
    throw new Problem({ code: "popup_blocked", detail: "The browser opened no window. Call this at once in a click." });
  const name = newVerifier();
  back.searchParams.set(WINDOW, name);
  return transport.within({ ...call, timeoutMs: call.timeoutMs ?? TEN_MINUTES_MS }, async (deadline) => {
    const channel = new BroadcastChannel(`bunbase:${name}`);
    let looking: ReturnType<typeof setInterval> | undefined;
    try {
      const answer = new Promise<Answer>((resolve, reject) => {
        channel.onmessage = ({ data }) => {
          channel.postMessage("taken");
          resolve(data as Answer);
        };
        looking = watched(shown, () => reject(closed(requests, "The window was closed before the end of the sign-in. Try again.")));
      });
      shown.location.replace(address(back.href));
      return await deadline.race(answer);
    } finally {
      clearInterval(looking);
      channel.close();
    }
  });
}

/** Sends the answer to the page that has opened this window, and closes the window. @internal */
export async function handOver(requests: AuthRequests, name: string, answer: Answer): Promise<null> {
  const channel = new BroadcastChannel(`bunbase:${name}`);
  let timer: ReturnType<typeof setTimeout> | undefined;
  try {
    await new Promise((taken, reject) => {
      channel.onmessage = taken;
      timer = setTimeout(() => reject(closed(requests, "The page that opened this window is gone. Sign in again.")), HANDED_OVER_MS);
      channel.postMessage(answer);
    });
  } finally {
    clearTimeout(timer);
    channel.close();
  }
  globalThis.close();
  return null;
}

const ELSEWHERE = "It began in another browser, or at another host: make the client with the public URL of the server.";

/** Returns the problem for a service that has refused the sign-in. @internal */
export function refused({ Problem }: AuthRequests, code: string): Problem {
  const advice = code === "external_login_expired" ? ELSEWHERE : "Try again.";
  return new Problem({ code: code as ProblemCode, detail: `The sign-in failed (${code}). ${advice}` });
}

/** Calls `onClosed` when a window is closed, and the person is back on this page. */
function watched(shown: Window, onClosed: () => void): ReturnType<typeof setInterval> {
  let ms = 0;
  return setInterval(() => {
    ms = shown.closed && document.hasFocus() ? ms + LOOK_MS : 0;
    if (ms >= CLOSED_MS) onClosed();
  }, LOOK_MS);
}

function closed({ Problem }: AuthRequests, detail: string): Problem {
  return new Problem({ code: "popup_closed", detail });
}
