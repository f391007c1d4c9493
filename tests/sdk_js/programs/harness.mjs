/** A list of claims, and a runner that works in every runtime: Node, Bun, Deno, workerd and pages. */

const SECONDS = 60;

export class Claims {
  #claims = [];

  /** Adds a claim. Its name is one plain text, because the Python side finds the names by reading the source. */
  claim = (name, check, seconds = SECONDS) => void this.#claims.push({ name, check, seconds });

  /** Checks one claim after the other, and returns the error of each, or an empty text. */
  async checked() {
    const results = {};
    for (const { name, check, seconds } of this.#claims) results[name] = await errorOf(check, seconds);
    return results;
  }
}

async function errorOf(check, seconds) {
  let timer;
  const late = new Promise((_, reject) => (timer = setTimeout(() => reject(new Error(`not within ${seconds} s`)), seconds * 1000)));
  try {
    await Promise.race([check(), late]);
    return "";
  } catch (error) {
    return `${error?.stack ?? error}\n${error?.cause ?? ""}`;
  } finally {
    clearTimeout(timer);
  }
}

export function equal(found, wanted) {
  const [one, other] = [shown(found), shown(wanted)];
  if (one !== other) throw new Error(`found ${one}\nwanted ${other}`);
}

/** Returns the problem that a promise is rejected with. Its code must be `code`. */
export async function refusal(promise, code) {
  try {
    await promise;
  } catch (error) {
    if (error?.code !== code) throw error;
    return error;
  }
  throw new Error(`no error, but ${code} was expected`);
}

export async function until(condition, what) {
  for (let left = 500; left > 0; left--) {
    const found = await condition();
    if (found) return found;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`not within 5 s: ${what}`);
}

function shown(value) {
  return JSON.stringify(value, (_, inner) => {
    if (typeof inner === "bigint") return `${inner}n`;
    if (inner === undefined) return "undefined";
    return inner && typeof inner === "object" && !Array.isArray(inner) ? Object.fromEntries(Object.entries(inner).sort()) : inner;
  });
}
