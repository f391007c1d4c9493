/** Gives text its content type, as the Fetch standard has it; Bun leaves that to its own server. */

const TEXT = "text/plain;charset=UTF-8";

export function standardResponse(): void {
  globalThis.Response = new Proxy(Response, {
    construct(target, args: ConstructorParameters<typeof Response>, newTarget) {
      const response = Reflect.construct(target, args, newTarget) as Response;
      if (typeof args[0] === "string" && !response.headers.has("content-type")) {
        response.headers.set("content-type", TEXT);
      }
      return response;
    },
  });
}
