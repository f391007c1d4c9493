/** The files of the project. */

import type { Transport } from "../transport.js";
import { Bucket } from "./bucket.js";

export class Files {
  readonly #transport: Transport;

  /** @internal */
  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /**
   * Returns a bucket. This sends no request.
   *
   * ```ts
   * const photos = client.files.bucket("photos");
   * ```
   */
  bucket(name: string): Bucket {
    return new Bucket(name, this.#transport);
  }
}
