/**
 * The `socket` of a request of `node:http`. This socket has no connection. This socket measures the time of silence,
 * and can end the request.
 *
 * Libraries use the socket of a client to set timeouts (follow-redirects, got) and to wait until it is connected
 * (Stripe). This socket looks like a kept-alive connection, which is connected from the start.
 */

import type * as Streams from "node:stream";

type Callback = (error?: Error | null) => void;

export type ClientSocket = Streams.Duplex & {
  /** Restarts the measurement of silence. */
  touch(): void;
  setTimeout(milliseconds: number, onTimeout?: () => void): ClientSocket;
};
export type ClientSocketClass = new (encrypted: boolean, onDestroy: (error: Error | null) => void) => ClientSocket;

export function defineSocket({ Duplex }: typeof Streams): ClientSocketClass {
  return class Socket extends Duplex {
    readonly connecting = false;
    readonly pending = false;
    readonly authorizationError = null;
    readonly authorized: boolean;
    readonly encrypted: boolean;
    timeout: number | undefined;
    readonly #onDestroy: (error: Error | null) => void;
    #timer: ReturnType<typeof setTimeout> | undefined;

    constructor(encrypted: boolean, onDestroy: (error: Error | null) => void) {
      super();
      this.encrypted = this.authorized = encrypted;
      this.#onDestroy = onDestroy;
    }

    setTimeout(milliseconds: number, onTimeout?: () => void): this {
      this.timeout = milliseconds;
      if (onTimeout !== undefined) {
        if (milliseconds > 0) this.once("timeout", onTimeout);
        else this.removeListener("timeout", onTimeout);
      }
      this.touch();
      return this;
    }

    touch(): void {
      clearTimeout(this.#timer);
      if (this.destroyed || !this.timeout) return;
      this.#timer = setTimeout(() => this.emit("timeout"), this.timeout);
    }

    setNoDelay = (): this => this;
    setKeepAlive = (): this => this;
    ref = (): this => this;
    unref = (): this => this;
    address = (): object => ({});
    getPeerCertificate = (): object => ({});
    getProtocol = (): string | null => (this.encrypted ? "TLSv1.3" : null);

    override _read(): void {}

    override _write(_chunk: unknown, _encoding: BufferEncoding, callback: Callback): void {
      callback(new Error("A function has no sockets. Write to the request, not to its socket."));
    }

    override _destroy(error: Error | null, callback: Callback): void {
      clearTimeout(this.#timer);
      this.#onDestroy(error); // The request emits the error.
      callback();
    }
  };
}

/** Returns the error of a connection that ended too early, in Node's form. */
export function connectionReset(message: "socket hang up" | "aborted"): Error {
  return Object.assign(new Error(message), { code: "ECONNRESET" });
}

/** Node's codes for the reasons of `fetch_failed`. Libraries use these codes to decide whether to try again. */
const CODES: Readonly<Record<string, string>> = { connection: "ECONNRESET", protocol: "ECONNRESET", timeout: "ETIMEDOUT" };

/** Returns the error with a `code`, because errors of Node have a code. */
export function nodeError(error: unknown): Error {
  const made = error instanceof Error ? error : new Error(String(error));
  const { code: own, reason } = (made.cause ?? {}) as { code?: string; reason?: string };
  // If the error has no cause, the request could not be made.
  const code = CODES[reason ?? ""] ?? own ?? "ERR_INVALID_ARG_VALUE";
  // This is no assignment, because `code` of a DOMException cannot be assigned.
  return Object.defineProperty(made, "code", { value: code, writable: true, configurable: true, enumerable: true });
}
