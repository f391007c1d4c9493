/** Writes into the log which call of the function ends its worker: the host only sees that the process has ended. */

const ENDING = ["exit", "reallyExit", "abort"] as const;

/** Replaces the methods of `process` that end it. `say` writes a line of the log at once. */
export function logExits(say: (text: string) => void): void {
  let said = false; // `exit` calls `reallyExit`
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
