/**
 * `IncomingMessage` of `node:http`, and the answer of a client: an IncomingMessage that reads the body of a Response.
 */

import type * as Http from "node:http";
import type * as Streams from "node:stream";

import { type ClientSocket, nodeError } from "./node_socket.ts";
import { thrownAt } from "./stacks.ts";

type Callback = (error?: Error | null) => void;
type Reader = { read(): Promise<{ done: boolean; value?: Uint8Array | undefined }> };

export type Answer = Streams.Readable & { complete: boolean; aborted: boolean };
export type AnswerClass = new (response: Response, request: object, socket: ClientSocket, site: Error) => Answer;
type Classes = { IncomingMessage: new (socket?: unknown) => Streams.Readable; Answer: AnswerClass };

export function defineAnswer({ Readable }: typeof Streams, codes: typeof Http.STATUS_CODES): Classes {
  class IncomingMessage extends Readable {
    httpVersion = "1.1";
    httpVersionMajor = 1;
    httpVersionMinor = 1;
    method: string | null = null;
    url = "";
    statusCode: number | null = null;
    statusMessage: string | null = null;
    headers: Record<string, string | string[]> = {};
    headersDistinct: Record<string, string[]> = {};
    rawHeaders: string[] = [];
    trailers = {};
    trailersDistinct = {};
    rawTrailers: string[] = [];
    complete = false;
    aborted = false;
    // This is true if the connection ended within the body. In this case, only the answer has an error, and the request
    // has none.
    protected lost = false;
    socket: Partial<ClientSocket> | undefined;

    constructor(socket?: unknown) {
      super();
      this.socket = socket as ClientSocket;
    }

    get connection(): unknown {
      return this.socket;
    }

    setTimeout(milliseconds: number, onTimeout?: () => void): this {
      if (onTimeout !== undefined) this.on("timeout", onTimeout);
      this.socket?.setTimeout?.(milliseconds);
      return this;
    }

    override _read(): void {}

    /** Emits `aborted` if the body has not ended, and no `error` without a listener, as Node does. */
    override _destroy(error: Error | null, callback: Callback): void {
      if (this.complete && this.readableEnded) return process.nextTick(callback, error);
      this.aborted = true;
      this.emit("aborted");
      callback(this.listenerCount("error") > 0 ? error : null);
      this.socket?.destroy?.(this.lost ? undefined : (error ?? undefined));
    }
  }

  class ClientAnswer extends IncomingMessage {
    readonly req: object;
    readonly #reader: Reader | undefined;
    readonly #touch: () => void;
    readonly #site: Error; // The stack of an error in the body shows this place.

    constructor(response: Response, request: object, socket: ClientSocket, site: Error) {
      super(socket);
      this.#site = site;
      this.req = request;
      this.statusCode = response.status;
      this.statusMessage = response.statusText || (codes[response.status] ?? "");
      for (const [name, value] of response.headers) this.#add(name, value);
      this.#reader = response.body?.getReader();
      this.#touch = () => socket.touch();
      socket.on("timeout", () => this.emit("timeout"));
    }

    #add(name: string, value: string): void {
      this.rawHeaders.push(name, value);
      (this.headersDistinct[name] ??= []).push(value);
      this.headers[name] = name === "set-cookie" ? (this.headersDistinct[name] as string[]) : value;
    }

    override _read(): void {
      if (this.#reader === undefined) return this.#finish();
      this.#reader.read().then(
        ({ done, value }) => {
          this.#touch();
          if (done) this.#finish();
          else this.push(Buffer.from(value ?? []));
        },
        (error: Error) => {
          this.lost = true;
          this.destroy(thrownAt(nodeError(error), this.#site));
        },
      );
    }

    #finish(): void {
      this.complete = true;
      this.push(null);
    }
  }

  return { IncomingMessage, Answer: ClientAnswer };
}
