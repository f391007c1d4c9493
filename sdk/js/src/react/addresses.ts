/**
 * Addresses of private files, which several components can share.
 *
 * The life of an address: the first component that shows it loads the file, or asks for a signed link → all components
 * with the same user, bucket, key and version share it → a signed link is replaced before it expires → the address is
 * freed shortly after the last component has gone.
 */

import type { BucketFiles } from "../files/bucket.js";
import { Problem } from "../problem.js";
import type { Transport } from "../transport.js";

/** A signed link of your server: the `SignedLink` of bunbase-admin has these fields. */
export interface SignedAddress {
  url: string;
  /** The time at which the link expires, as RFC 3339. */
  expires_at: string;
}

export interface AddressOptions {
  /** Asks your server for a signed link, for example with `client.functions.invoke`. */
  sign?: ((key: string) => Promise<SignedAddress>) | undefined;
  /** The `etag` of the file. With a new value, the file is loaded again. */
  version?: string | undefined;
}

export interface FileAddress {
  /** The address for `src` or `href`; undefined while it is loaded, and after a problem. */
  url: string | undefined;
  loading: boolean;
  problem: Problem | undefined;
}

interface Source {
  bucket: BucketFiles;
  sign: AddressOptions["sign"];
}

// React mounts each component twice in strict mode, and moves components: the bytes stay for this moment
const LINGER_MS = 1000;
const SHORTEST_MS = 5000;
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** @internal */
export const NO_ADDRESS: FileAddress = { url: undefined, loading: false, problem: undefined };

const shared = new WeakMap<Transport, Map<string, Address>>();

/** Returns the address that all components with the same user, bucket, key and version share. @internal */
export function addressOf(transport: Transport, userId: string | undefined, key: string, version: string | undefined, source: Source): Address {
  const id = JSON.stringify([userId, source.bucket.name, key, version, source.sign === undefined]);
  const known = shared.get(transport) ?? new Map<string, Address>();
  shared.set(transport, known);
  const found = known.get(id) ?? new Address(source, key, known, id);
  // on a server nothing is loaded, so nothing is kept
  if (!known.has(id) && typeof document !== "undefined") found.keep();
  return found;
}

class Address {
  state: FileAddress = { ...NO_ADDRESS, loading: true };
  readonly #hearers = new Set<() => void>();
  #ending: AbortController | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    readonly source: Source,
    readonly key: string,
    readonly known: Map<string, Address>,
    readonly id: string,
  ) {}

  /** Keeps the address for the other components of this rendering. */
  keep(): void {
    this.known.set(this.id, this);
    this.#freeLater();
  }

  /** Loads the address with the first component. An address without components is in no list, and has no bytes. */
  subscribe(hear: () => void): () => void {
    const mine = () => hear(); // one component can subscribe twice
    this.#hearers.add(mine);
    if (!this.#ending) {
      this.known.set(this.id, this);
      this.#ending = new AbortController();
      void this.#load(this.#ending.signal);
    }
    return () => {
      this.#hearers.delete(mine);
      this.#freeLater();
    };
  }

  #freeLater(): void {
    setTimeout(() => !this.#hearers.size && this.#free(), LINGER_MS);
  }

  async #load(signal: AbortSignal): Promise<void> {
    const { bucket, sign } = this.source;
    try {
      const { url, ends } = sign ? await signed(sign, this.key) : { url: URL.createObjectURL(await read(bucket, this.key, signal)), ends: undefined };
      if (signal.aborted) return sign ? undefined : URL.revokeObjectURL(url);
      this.#show({ url, loading: false, problem: undefined });
      if (ends !== undefined) this.#renewIn((ends - Date.now()) * 0.8, signal);
    } catch (error) {
      if (signal.aborted) return;
      const problem = Problem.is(error) ? error : new Problem({ code: "unexpected_answer", detail: "`sign` returned no link." }, { cause: error });
      // a present link stays, because it may still be valid
      this.#show({ url: undefined, ...(this.state.url !== undefined && { url: this.state.url }), loading: false, problem });
      if (this.state.url !== undefined) this.#renewIn(SHORTEST_MS, signal);
    }
  }

  #renewIn(ms: number, signal: AbortSignal): void {
    this.#timer = setTimeout(() => void this.#load(signal), Math.min(Math.max(ms, SHORTEST_MS), LONGEST_TIMER_MS));
  }

  #show(state: FileAddress): void {
    this.state = state;
    for (const hear of this.#hearers) hear();
  }

  #free(): void {
    clearTimeout(this.#timer);
    this.#ending?.abort();
    this.#ending = undefined;
    if (this.state.url?.startsWith("blob:")) URL.revokeObjectURL(this.state.url);
    this.state = { ...NO_ADDRESS, loading: true };
    if (this.known.get(this.id) === this) this.known.delete(this.id);
  }
}

async function read(bucket: BucketFiles, key: string, signal: AbortSignal): Promise<Blob> {
  return (await bucket.download(key, { signal })).blob();
}

async function signed(sign: NonNullable<AddressOptions["sign"]>, key: string): Promise<{ url: string; ends: number }> {
  const { url, expires_at } = await sign(key);
  const ends = Date.parse(expires_at);
  if (typeof url !== "string" || Number.isNaN(ends)) throw new TypeError("sign: return { url, expires_at }.");
  return { url, ends };
}
