/** The time and the signal of one call. Nothing is left behind when the call has ended: no timer, and no listener. */

import type { Call } from "./call.js";
import { Problem } from "./problem.js";

/** @internal */
export class Deadline {
  readonly signal: AbortSignal;
  readonly #own = new AbortController();
  readonly #given: AbortSignal | undefined;
  #forget = () => {};
  readonly #timer: ReturnType<typeof setTimeout> | undefined;

  constructor({ signal }: Call, readonly timeoutMs: number) {
    if (signal?.aborted) throw aborted(signal.reason);
    this.#given = signal;
    this.signal = signal ? this.#withGiven(signal) : this.#own.signal;
    if (timeoutMs < 2 ** 31) this.#timer = setTimeout(() => this.#own.abort(), timeoutMs);
  }

  /** Returns the problem that `error` stands for, if the call was ended by its signal or its time. */
  ended(error: unknown): Problem | undefined {
    if (this.#given?.aborted) return aborted(this.#given.reason);
    if (this.#own.signal.aborted) {
      const detail = `No answer within ${this.timeoutMs} ms. Try again, or set a longer timeoutMs.`;
      return new Problem({ code: "timeout", detail }, { cause: error });
    }
    // React Native's fetch throws such an error when its signal is aborted
    if (error instanceof Error && /^(AbortError|Aborted)$/.test(`${error.name === "Error" ? error.message : error.name}`))
      return aborted(error);
    return undefined;
  }

  /** Resolves after `ms`, or rejects when the call ends. */
  async pause(ms: number): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    try {
      await this.race(new Promise<void>((resolve) => (timer = setTimeout(resolve, ms))));
    } finally {
      clearTimeout(timer);
    }
  }

  /** Returns the value of `work`, or rejects when the call ends. The work itself goes on. */
  race<T>(work: Promise<T>): Promise<T> {
    const { signal } = this;
    let stop = () => {};
    const end = new Promise<never>((_, reject) => {
      stop = () => reject(this.ended(undefined) ?? aborted(signal.reason));
      if (signal.aborted) stop();
      else signal.addEventListener("abort", stop, { once: true });
    });
    return Promise.race([work, end]).finally(() => signal.removeEventListener("abort", stop));
  }

  /** Ends the timer. The signal of the caller still counts, so that an answer may stream for as long as it likes. */
  done(): void {
    clearTimeout(this.#timer);
    this.#forget();
  }

  /** Safari before 17.4 and React Native have no `AbortSignal.any`, so the signal is followed by a listener there. */
  #withGiven(signal: AbortSignal): AbortSignal {
    if (AbortSignal.any) return AbortSignal.any([signal, this.#own.signal]);
    const end = () => this.#own.abort();
    signal.addEventListener("abort", end);
    this.#forget = () => signal.removeEventListener("abort", end);
    return this.#own.signal;
  }
}

/** @internal */
export function aborted(reason: unknown): Problem {
  return new Problem({ code: "aborted", detail: "The call was aborted by its signal." }, { cause: reason });
}
