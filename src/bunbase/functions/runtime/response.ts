/** Answers: their content type, and the head that the host is told. */

const TEXT = "text/plain;charset=UTF-8";

// the host kills a worker that goes beyond: keep in step with workers/limits.py and workers/answer_head.py
const MAX_HEADERS = 128;
const MAX_HEADER_BYTES = 32 * 1024;
const NOT_IN_HTTP = /[^\t\x20-\x7e\x80-\xff]/;

/** Throws what the function's log will show: it fails alone, and its neighbours in this worker go on. */
export function headOf(response: Response): { status: number; headers: [string, string][] } {
  const { status } = response;
  if (!(status >= 200 && status <= 599)) throw new TypeError(`A function cannot answer with status ${status}.`);
  const headers = [...response.headers].filter(([name]) => name !== "set-cookie") as [string, string][];
  for (const cookie of response.headers.getSetCookie()) headers.push(["set-cookie", cookie]);
  const size = headers.reduce((sum, [name, value]) => sum + name.length + value.length, 0);
  if (headers.length > MAX_HEADERS || size > MAX_HEADER_BYTES) {
    throw new TypeError(`An answer has at most ${MAX_HEADERS} headers of ${MAX_HEADER_BYTES / 1024} KiB together.`);
  }
  for (const [name, value] of headers) {
    if (NOT_IN_HTTP.test(value)) throw new TypeError(`HTTP does not allow the value of the header ${name}.`);
  }
  return { status, headers };
}

/** Gives a reader of the body if there is one, or throws what the log will show: one that was read before cannot be sent. */
export function bodyOf(response: Response) {
  if (response.bodyUsed) throw new TypeError("The Response was used before: make a new one for each answer.");
  return response.body === null ? undefined : response.body.getReader();
}

/** Gives text its content type, as the Fetch standard has it; Bun leaves that to its own server and its own fetch. */
export function standardBodies(): void {
  globalThis.Response = withTextType(Response, (args) => args[0]);
  globalThis.Request = withTextType(Request, (args) => args[1]?.body);
}

type Made = { headers: Headers };

function withTextType<C extends new (...args: never[]) => Made>(
  made: C,
  bodyAmong: (args: ConstructorParameters<C>) => unknown,
): C {
  return new Proxy(made, {
    construct(target, args, newTarget) {
      const one = Reflect.construct(target, args, newTarget) as Made;
      if (typeof bodyAmong(args as ConstructorParameters<C>) === "string" && !one.headers.has("content-type")) {
        one.headers.set("content-type", TEXT);
      }
      return one;
    },
  });
}
