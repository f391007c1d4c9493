/** Waits for a server that is temporarily unreachable, for long-running iterators. */

import { type Call, Problem } from "bunbase-js";

const PATIENCE_MS = 300_000;
const FIRST_PAUSE_MS = 500;
const MAX_PAUSE_MS = 10_000;

/** Options of an iterator that waits for new items. */
export interface FollowCall extends Call {
  /** The time for which the server may be unreachable before the iterator gives up: 5 minutes by default. */
  patienceMs?: number | undefined;
}

/** @internal */
export class Patience {
  readonly #signal: AbortSignal | undefined;
  readonly #most: number;
  #since: number | undefined;
  #pause = FIRST_PAUSE_MS;

  constructor({ signal, patienceMs = PATIENCE_MS }: FollowCall) {
    this.#signal = signal;
    this.#most = patienceMs;
  }

  /** Records that the server has answered. */
  answered(): void {
    this.#since = undefined;
    this.#pause = FIRST_PAUSE_MS;
  }

  /** Waits before the next attempt. Throws the problem if it is permanent, or if it has lasted too long. */
  async after(error: unknown): Promise<void> {
    if (this.#signal?.aborted) throw aborted(this.#signal.reason);
    if (!Problem.is(error) || !passes(error)) throw error;
    this.#since ??= Date.now();
    if (Date.now() - this.#since >= this.#most) throw error;
    await pause(error.retryAfterMs ?? this.#pause * (0.5 + Math.random() / 2), this.#signal);
    this.#pause = Math.min(this.#pause * 2, MAX_PAUSE_MS);
  }
}

function passes({ code, status }: Problem): boolean {
  return code === "network" || code === "timeout" || status === 429 || status >= 500;
}

/** @internal */
export function aborted(reason: unknown): Problem {
  return new Problem({ code: "aborted", detail: "The call was aborted by its signal." }, { cause: reason });
}

/** Resolves after `ms`. Throws `aborted` as soon as the signal is aborted. @internal */
export async function pause(ms: number, signal?: AbortSignal): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let stop = () => {};
  try {
    await new Promise<void>((resolve, reject) => {
      timer = setTimeout(resolve, ms);
      stop = () => reject(aborted(signal?.reason));
      if (signal?.aborted) stop();
      else signal?.addEventListener("abort", stop, { once: true });
    });
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", stop);
  }
}
