const PATIENCE_MS = 3000;

/**
 * Runs `work` while no other tab runs work of the same name. It waits for three seconds at most, because a tab that is
 * frozen may hold the lock for ever; then, and where there are no locks, it runs without one. @internal
 */
export async function alone<T>(name: string, work: () => Promise<T>): Promise<T> {
  const locks = globalThis.navigator?.locks as LockManager | undefined;
  if (!locks) return work();
  const waiting = new AbortController();
  const timer = setTimeout(() => waiting.abort(), PATIENCE_MS);
  let started: Promise<T> | undefined;
  try {
    await locks.request(name, { signal: waiting.signal }, () => {
      clearTimeout(timer);
      return (started = work());
    });
  } catch {
    // the wait ended, or this page may not use locks; an error of the work itself is thrown below
  } finally {
    clearTimeout(timer);
  }
  return started ?? work();
}
