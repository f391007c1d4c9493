/**
 * The engine's own functions, taken before a bundle runs.
 *
 * A bundle shares the realm with the runtime: it may put a function of its own in the place of Array.prototype.push, and
 * would be handed the queue of the channel with the next frame. So what the runtime does with its own state (frames,
 * asks, calls) goes through these, through `#private` fields (which no setter on Object.prototype sees) and through
 * structures whose prototypes a bundle cannot reach. Where only the function's own values pass, plain methods will do.
 */

type Method<T, A extends unknown[], R> = (this: T, ...values: A) => R;
type Getter<T, R> = (self: T) => R;

const { bind, call } = Function.prototype;

/** Makes of a method a function that takes what it is called on first. */
export const uncurried = bind.bind(call as never) as <T, A extends unknown[], R>(
  method: Method<T, A, R>,
) => (self: T, ...values: A) => R;

function getter<T, R>(prototype: object, name: string): Getter<T, R> {
  return uncurried(Object.getOwnPropertyDescriptor(prototype, name)?.get as Method<T, [], R>);
}

/** Copies a class's own members onto a prototype that nobody else has. */
function apart<T extends { prototype: object }>(made: T, base: { prototype: object }): T {
  for (const name of Reflect.ownKeys(base.prototype)) {
    if (name === "constructor") continue;
    Object.defineProperty(made.prototype, name, Object.getOwnPropertyDescriptor(base.prototype, name) as object);
  }
  Object.setPrototypeOf(made.prototype, null);
  Object.freeze(made.prototype);
  return made;
}

// bytes

export const Bytes = Uint8Array;
const TYPED = Object.getPrototypeOf(Uint8Array.prototype) as object;
const bufferOf = getter<Uint8Array, ArrayBuffer>(TYPED, "buffer");
const offsetOf = getter<Uint8Array, number>(TYPED, "byteOffset");
export const lengthOf = getter<Uint8Array, number>(TYPED, "length");
export const setBytes = uncurried(Uint8Array.prototype.set) as (self: Uint8Array, from: Uint8Array, at: number) => void;

/** As `subarray`, which asks the bytes for their constructor. */
export function part(bytes: Uint8Array, from: number, to: number = lengthOf(bytes)): Uint8Array<ArrayBuffer> {
  return new Bytes(bufferOf(bytes), offsetOf(bytes) + from, to - from);
}

export function copyOf(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Bytes(bytes);
}

export const { min: smallest } = Math;

// text

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const encode = uncurried(TextEncoder.prototype.encode);
const encodeInto = uncurried(TextEncoder.prototype.encodeInto);
const decode = uncurried(TextDecoder.prototype.decode);

export const encodeText = (text: string): Uint8Array => encode(encoder, text);
export const decodeText = (bytes: Uint8Array): string => decode(decoder, bytes as Uint8Array<ArrayBuffer>);
export const encodeTextInto = (text: string, into: Uint8Array) => encodeInto(encoder, text, into);

export const { parse: parseJson, stringify: writeJson } = JSON;

// waiting

export const NativePromise = Promise;
export const startTimer = setTimeout;
export const stopTimer = clearTimeout;
export const atEndOfRound = setImmediate;

// collections

export const SafeMap = apart(class SafeMap<K, V> extends Map<K, V> {}, Map);
export type SafeMap<K, V> = Map<K, V>;

type Link<T> = { value: T; next: Link<T> | null };

/** First in, first out. */
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
