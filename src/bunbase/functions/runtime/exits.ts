/** Logs which call of the function ends its worker, because the host only sees that the process has ended. */

const ENDING = ["exit", "reallyExit", "abort"] as const;

/** Replaces the methods of `process` that end it. `say` immediately writes a line to the log. */
export function logExits(say: (text: string) => void): void {
  let said = false; // Only one line is logged, because `exit` calls `reallyExit`.
  for (const name of ENDING) {
    const real = Reflect.get(process, name) as (...given: unknown[]) => never;
    const end = (...given: unknown[]): never => {
      const called = `process.${name}(${given.length > 0 ? String(given[0]) : ""})`;
      if (!said) say(`The function called ${called}, which ends its worker and every call in it. Return or throw instead.`);
      said = true;
      return Reflect.apply(real, process, given);
    };
    Object.defineProperty(process, name, { value: end, writable: true, configurable: true, enumerable: true });
  }
}
