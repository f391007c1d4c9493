/**
 * `Server` of `node:http`, for frameworks that make a server while they load. This Server has everything except a port:
 * `listen` throws. Frameworks that answer requests without a port (such as `inject` of Fastify) work.
 */

import type * as Events from "node:events";

type Callback = (error?: Error) => void;

const NO_PORT =
  "A function cannot listen on a port. Export a handler: it gets requests and returns responses; see docs/functions.md#sandbox";

export function defineServer({ EventEmitter }: typeof Events): new (...given: unknown[]) => object {
  return class Server extends EventEmitter {
    readonly listening = false;
    timeout = 0;
    keepAliveTimeout = 5000;
    headersTimeout = 60_000;
    requestTimeout = 300_000;
    maxHeadersCount = null;
    maxRequestsPerSocket = 0;

    constructor(options?: unknown, onRequest: unknown = options) {
      super();
      if (typeof onRequest === "function") this.on("request", onRequest as () => void);
    }

    listen(): never {
      throw Object.assign(new Error(NO_PORT), { code: "ERR_BUNBASE_SANDBOX" });
    }

    close(onClosed?: Callback): this {
      const error = Object.assign(new Error("Server is not running."), { code: "ERR_SERVER_NOT_RUNNING" });
      if (onClosed !== undefined) process.nextTick(onClosed, error);
      return this;
    }

    setTimeout(milliseconds: number, onTimeout?: () => void): this {
      this.timeout = milliseconds;
      if (onTimeout !== undefined) this.on("timeout", onTimeout);
      return this;
    }

    address = (): null => null;
    ref = (): this => this;
    unref = (): this => this;
    closeAllConnections(): void {}
    closeIdleConnections(): void {}
    getConnections(onCounted: (error: null, count: number) => void): void {
      process.nextTick(onCounted, null, 0);
    }
  };
}
