/** The time and the signal of one call. When the call has ended, no timer and no listener is left. */

import type { Call } from "./call.js";
import { Problem } from "./problem.js";

/** The longest time of a timer. A longer timer fires at once, because engines store the time in 32 bits. @internal */
export const LONGEST_TIMER_MS = 2 ** 31 - 1;

/**
 * Runs `work` with the timeout and the signal of a call. `streams`: the caller reads the response as a stream, so the
 * signal can still abort it after `work` has ended. @internal
 */
export async function within<T>(
  call: Call,
  timeoutMs: number,
  work: (deadline: Deadline) => Promise<T>,
  streams?: boolean,
): Promise<T> {
  const deadline = new Deadline(call, timeoutMs, streams);
  try {
    return await work(deadline);
  } finally {
    deadline.done();
  }
}

/** @internal */
export class Deadline {
  readonly signal: AbortSignal;
  /** Ends the timer. If the response is a stream, the signal of the caller can still abort the stream. */
  readonly done: () => void;

  constructor({ signal }: Call, timeoutMs: number, streams?: boolean) {
    if (signal?.aborted) throw endedBy(signal.reason);
    const own = new AbortController();
    const detail = `No answer within ${timeoutMs} ms. Try again, or set a longer timeoutMs.`;
    const end = () => own.abort(signal?.aborted ? signal.reason : new Problem({ code: "timeout", detail }));
    const timer = timeoutMs <= LONGEST_TIMER_MS ? setTimeout(end, timeoutMs) : undefined;
    // `AbortSignal.any` is not used: in Node 20 and Deno, each signal that it makes uses memory until the caller's
    // signal is gone, and Safari before 17.4 and React Native do not have it
    const followed = streams && (AbortSignal.any as unknown) ? undefined : signal;
    this.signal = signal && !followed ? AbortSignal.any([signal, own.signal]) : own.signal;
    followed?.addEventListener("abort", end);
    this.done = () => {
      clearTimeout(timer);
      followed?.removeEventListener("abort", end);
    };
  }

  /** Returns the problem for `error`, if the signal or the timeout has ended the call. */
  ended(error?: unknown): Problem | undefined {
    if (this.signal.aborted) return endedBy(this.signal.reason);
    // React Native's fetch throws an error with the second message when its signal is aborted
    return /^(AbortError|Error: Aborted$)/.test(String(error)) ? endedBy(error) : undefined;
  }

  /** Resolves after `ms`, or rejects when the call ends. */
  pause(ms: number): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    return this.race(new Promise<void>((resolve) => (timer = setTimeout(resolve, Math.min(ms, LONGEST_TIMER_MS))))).finally(() => clearTimeout(timer));
  }

  /** Returns the value of `work`, or rejects when the call ends. The work itself continues. */
  race<T>(work: Promise<T>): Promise<T> {
    const { signal } = this;
    let stop = () => {};
    const end = new Promise<never>((_, reject) => {
      stop = () => reject(this.ended());
      if (signal.aborted) stop();
      else signal.addEventListener("abort", stop);
    });
    return Promise.race([work, end]).finally(() => signal.removeEventListener("abort", stop));
  }
}

/** If the timeout of an outer call ends this call, the reason is that timeout. */
function endedBy(cause: unknown): Problem {
  if (Problem.is(cause, "timeout")) return cause;
  return new Problem({ code: "aborted", detail: "The call was aborted by its signal." }, { cause });
}
