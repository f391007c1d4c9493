/** Reads the arguments of `http.request`: a URL, options or both. Options take precedence over the URL, as in Node. */

import type * as Streams from "node:stream";

type Value = string | number | readonly string[];
export type Options = {
  protocol?: string | null;
  host?: string | null;
  hostname?: string | null;
  port?: number | string | null;
  path?: string | null;
  socketPath?: string | null;
  method?: string;
  headers?: Record<string, Value | undefined> | readonly (string | readonly [string, Value])[];
  auth?: string | null;
  timeout?: number;
  signal?: AbortSignal;
  agent?: unknown;
};
type OnResponse = (response: Streams.Readable) => void;
type Read = { url: URL; options: Options; headers: [string, Value][]; onResponse: OnResponse | undefined };

const PROTOCOL = /^https?:$/;
const HOST = /^(?:[^\s/?#@\\:[\]]+|\[[\da-f:.]+\])$/i;
const PORT = /^\d{1,5}$/;
const NOT_IN_PATH = /[^\x21-\xff]/; // Node refuses the same characters.

export type Arguments = [string | URL | Options, (Options | OnResponse | null)?, OnResponse?];

export function readArguments(scheme: string, [first, second, third]: Arguments): Read {
  const named = typeof first === "string" || first instanceof URL;
  const given = typeof second === "object" && second !== null ? second : {};
  const options = named ? { ...optionsOf(new URL(first)), ...given } : first;
  const onResponse = typeof second === "function" ? second : third;
  if (options.socketPath) throw new Error("A function has no sockets, so the option socketPath cannot be used.");
  return { url: urlOf(scheme, options), options, headers: pairsOf(options.headers), onResponse };
}

function optionsOf(url: URL): Options {
  const user = url.username === "" ? undefined : decodeURIComponent(`${url.username}:${url.password}`);
  const { protocol, hostname, port, pathname, search } = url;
  return { protocol, hostname, port, path: pathname + search, ...(user === undefined ? {} : { auth: user }) };
}

/**
 * Joins the parts of a URL. Each part is checked first: functions may build them from values of their users, and a URL
 * parser would read `user@`, `/` or `#` in a host or a port as the beginning of another part, which changes the host.
 */
function urlOf(scheme: string, { protocol, hostname, host, port, path }: Options): URL {
  const given = hostname || host || "localhost";
  const name = given.split(":").length > 2 ? bracketed(given) : given.replace(/:\d+$/, "");
  const used = protocol ?? scheme;
  if (!PROTOCOL.test(used)) throw invalid("ERR_INVALID_PROTOCOL", `Protocol "${used}" not supported. Expected "${scheme}"`);
  if (!HOST.test(name)) throw invalid("ERR_INVALID_URL", `"${given}" is not a host name.`);
  if (port && !PORT.test(String(port))) throw invalid("ERR_INVALID_URL", `"${port}" is not a port.`);
  if (path && NOT_IN_PATH.test(path)) {
    throw invalid("ERR_UNESCAPED_CHARACTERS", "Request path contains unescaped characters");
  }
  const url = new URL(`${used}//${name}${port ? `:${port}` : ""}`);
  return new URL(url.origin + (path?.startsWith("/") ? path : `/${path ?? ""}`));
}

/** Returns the error with which Node refuses an argument. */
export function invalid(code: string, message: string): TypeError {
  return Object.assign(new TypeError(message), { code });
}

/** Returns an IPv6 address in brackets. */
function bracketed(address: string): string {
  return address.startsWith("[") ? address : `[${address}]`;
}

/** Reads headers, which are an object, a list of pairs, or a flat list of names and values. */
function pairsOf(headers: Options["headers"] = {}): [string, Value][] {
  if (!isList(headers)) return Object.entries(headers).filter((pair): pair is [string, Value] => pair[1] !== undefined);
  if (Array.isArray(headers[0])) return joined(headers as [string, Value][]);
  const flat = headers as readonly string[];
  return joined(flat.flatMap((name, at) => (at % 2 === 0 ? [[name, flat[at + 1] ?? ""] as [string, Value]] : [])));
}

/** Adds a header. If a name appears several times, its value is a list. */
function joined(pairs: [string, Value][]): [string, Value][] {
  const found = new Map<string, [string, Value]>();
  for (const [name, value] of pairs) {
    const before = found.get(name.toLowerCase());
    if (before === undefined) found.set(name.toLowerCase(), [name, value]);
    else before[1] = [before[1], value].flat().map(String);
  }
  return [...found.values()];
}

function isList(value: unknown): value is readonly (string | readonly [string, Value])[] {
  return Array.isArray(value);
}
