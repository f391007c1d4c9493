const PATIENCE_MS = 3000;

/**
 * Runs `work` while no other tab runs work of the same name. The wait for the lock takes at most three seconds, because
 * a frozen tab may hold the lock forever. After this timeout, or in a browser without locks, `work` runs without a
 * lock. `waited`: true if another tab had the lock before. @internal
 */
export async function alone<T>(name: string, work: (waited: boolean) => Promise<T>): Promise<T> {
  const locks = globalThis.navigator?.locks as LockManager | undefined;
  let waited = false;
  let started: Promise<T> | undefined;
  const start = () => (started = work(waited));
  try {
    await locks?.request(name, { ifAvailable: true }, (lock) => (lock ? start() : void (waited = true)));
    if (waited) await locks!.request(name, { signal: AbortSignal.timeout(PATIENCE_MS) }, start);
  } catch {
    // the wait ended, or this page may not use locks; an error of the work itself is thrown below
  }
  return started ?? work(waited);
}
