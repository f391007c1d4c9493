/**
 * Copies of the engine's built-in functions, made before a bundle runs.
 *
 * The concern: a bundle runs in the same realm as the runtime. The bundle could replace Array.prototype.push with its
 * own function, and the next frame would pass the queue of the channel to that function. So the runtime handles its own
 * state (frames, asks, calls) only with these copies, with `#private` fields, which a setter on Object.prototype cannot
 * observe, and with structures whose prototypes a bundle cannot reach. For values of the function itself, ordinary
 * methods are safe.
 */

type Method<T, A extends unknown[], R> = (this: T, ...values: A) => R;
type Getter<T, R> = (self: T) => R;

const { bind, call } = Function.prototype;

/** Converts a method to a function whose first argument is the object. */
export const uncurried = bind.bind(call as never) as <T, A extends unknown[], R>(
  method: Method<T, A, R>,
) => (self: T, ...values: A) => R;

function getter<T, R>(prototype: object, name: string): Getter<T, R> {
  return uncurried(Object.getOwnPropertyDescriptor(prototype, name)?.get as Method<T, [], R>);
}

/** Copies the members of `base` to the prototype of `made` and freezes it, so that no bundle can change them. */
function apart<T extends { prototype: object }>(made: T, base: { prototype: object }): T {
  for (const name of Reflect.ownKeys(base.prototype)) {
    if (name === "constructor") continue;
    Object.defineProperty(made.prototype, name, Object.getOwnPropertyDescriptor(base.prototype, name) as object);
  }
  Object.setPrototypeOf(made.prototype, null);
  Object.freeze(made.prototype);
  return made;
}

// Operations on bytes.

export const Bytes = Uint8Array;
const TYPED = Object.getPrototypeOf(Uint8Array.prototype) as object;
const bufferOf = getter<Uint8Array, ArrayBuffer>(TYPED, "buffer");
const offsetOf = getter<Uint8Array, number>(TYPED, "byteOffset");
export const lengthOf = getter<Uint8Array, number>(TYPED, "length");
export const setBytes = uncurried(Uint8Array.prototype.set) as (self: Uint8Array, from: Uint8Array, at: number) => void;

/**
 * Returns a part of the bytes, like `subarray`. The method `subarray` itself would read the constructor of the bytes,
 * which a bundle can replace.
 */
export function part(bytes: Uint8Array, from: number, to: number = lengthOf(bytes)): Uint8Array<ArrayBuffer> {
  return new Bytes(bufferOf(bytes), offsetOf(bytes) + from, to - from);
}

export function copyOf(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Bytes(bytes);
}

export const { min: smallest } = Math;

// Operations on text.

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const encode = uncurried(TextEncoder.prototype.encode);
const encodeInto = uncurried(TextEncoder.prototype.encodeInto);
const decode = uncurried(TextDecoder.prototype.decode);

export const encodeText = (text: string): Uint8Array => encode(encoder, text);
export const decodeText = (bytes: Uint8Array): string => decode(decoder, bytes as Uint8Array<ArrayBuffer>);
export const encodeTextInto = (text: string, into: Uint8Array) => encodeInto(encoder, text, into);

export const { parse: parseJson, stringify: writeJson } = JSON;

// Promises and timers.

export const NativePromise = Promise;
export const startTimer = setTimeout;
export const stopTimer = clearTimeout;
export const atEndOfRound = setImmediate;

// Collections.

export const SafeMap = apart(class SafeMap<K, V> extends Map<K, V> {}, Map);
export type SafeMap<K, V> = Map<K, V>;

type Link<T> = { value: T; next: Link<T> | null };

/** A queue: first in, first out. */
export class Line<T> {
  #first: Link<T> | null = null;
  #last: Link<T> | null = null;

  add(value: T): void {
    const link: Link<T> = { value, next: null };
    if (this.#last === null) this.#first = link;
    else this.#last.next = link;
    this.#last = link;
  }

  take(): T | undefined {
    const link = this.#first;
    if (link === null) return undefined;
    this.#first = link.next;
    if (this.#first === null) this.#last = null;
    return link.value;
  }
}
Object.freeze(Line.prototype);
