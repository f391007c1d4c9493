/** The tables of the guard (guard.ts): the modules and members that it denies, and the texts of its errors. */

/**
 * A rule for one module. The rule denies functions only; other exports stay as they are.
 *
 * `what`: the beginning of the error's message. `only`: the denied functions; all others stay. `keep`: the functions
 * that stay; all others are denied. `fixed`: replacements that hide data about the machine. `inert`: classes that
 * packages construct while they load. These classes stay, but the named methods, which would use the network, throw.
 */
export type Denied = Readonly<{
  what: string;
  only?: readonly string[];
  keep?: readonly string[];
  inert?: Readonly<Record<string, RegExp>>;
  fixed?: Readonly<Record<string, unknown>>;
}>;

const FILES = "file system access";
const PROCESSES = "starting processes";
const NETWORK = "network access other than fetch";
const THREADS = "starting threads";
const INSIDES = "access to the engine's insides";

const CONNECTING = /^connect$/;
const LISTENING = /^listen$/;
const LOOKING_UP = /^(resolve|reverse)/;

export const MODULES: Readonly<Record<string, Denied>> = {
  fs: { what: FILES },
  "fs/promises": { what: FILES },
  "bun:sqlite": { what: FILES },
  sqlite: { what: FILES },
  wasi: { what: FILES },
  child_process: { what: PROCESSES },
  cluster: { what: PROCESSES },
  repl: { what: INSIDES },
  net: {
    what: NETWORK,
    keep: [
      "isIP", "isIPv4", "isIPv6", "BlockList", "SocketAddress", "createServer", "_normalizeArgs", "getDefaultAutoSelectFamily",
      "setDefaultAutoSelectFamily", "getDefaultAutoSelectFamilyAttemptTimeout", "setDefaultAutoSelectFamilyAttemptTimeout",
    ],
    inert: { Socket: CONNECTING, Stream: CONNECTING, Server: LISTENING },
  },
  tls: {
    what: NETWORK,
    keep: [
      "checkServerIdentity", "getCiphers", "createSecureContext", "SecureContext", "createServer", "convertALPNProtocols",
    ],
    inert: { TLSSocket: CONNECTING, Server: LISTENING },
  },
  dgram: { what: NETWORK, keep: ["createSocket"], inert: { Socket: /^(bind|connect|send|sendto)$/ } },
  dns: { what: NETWORK, keep: ["getDefaultResultOrder", "setDefaultResultOrder"], inert: { Resolver: LOOKING_UP } },
  "dns/promises": { what: NETWORK, inert: { Resolver: LOOKING_UP } },
  http2: { what: NETWORK, only: ["connect", "createServer", "createSecureServer", "performServerHandshake"] },
  undici: { what: NETWORK, only: ["stream", "pipeline", "connect", "upgrade", "WebSocket", "EventSource"] },
  ws: { what: NETWORK },
  worker_threads: { what: THREADS, only: ["Worker", "BroadcastChannel"] },
  "bun:ffi": { what: "native code" },
  "bun:jsc": { what: INSIDES },
  inspector: { what: INSIDES },
  "inspector/promises": { what: INSIDES },
  trace_events: { what: INSIDES },
  vm: { what: INSIDES, keep: ["isContext"] },
  v8: { what: INSIDES, keep: ["serialize", "deserialize", "Serializer", "Deserializer", "getHeapStatistics"] },
  module: { what: INSIDES, keep: ["builtinModules", "isBuiltin"] },
  os: {
    what: "knowledge of the machine",
    only: ["userInfo", "setPriority", "getPriority"],
    fixed: { hostname: () => "functions", networkInterfaces: () => ({}), homedir: () => "/nonexistent" },
  },
};

/**
 * The members of `Bun` that stay, because they only compute. New members of a later Bun are denied until they are
 * reviewed.
 */
export const BUN_MEMBERS: ReadonlySet<string> = new Set(
  `ArrayBufferSink CSRF Cookie CookieMap CryptoHasher JSON5 JSONC JSONL MD4 MD5 SHA1 SHA224 SHA256 SHA384 SHA512
  SHA512_256 TOML XML YAML allocUnsafe color concatArrayBuffers deepEquals deepMatch deflateSync enableANSIColors env
  escapeHTML fetch fileURLToPath gc gunzipSync gzipSync hash indexOfLine inflateSync inspect isMainThread markdown
  nanoseconds password pathToFileURL peek randomUUIDv5 randomUUIDv7 readableStreamToArray
  readableStreamToArrayBuffer readableStreamToBlob readableStreamToBytes readableStreamToFormData
  readableStreamToJSON readableStreamToText revision semver sha sleep sleepSync sliceAnsi stringWidth stripANSI
  version version_with_sha wrapAnsi zstdCompress zstdCompressSync zstdDecompress zstdDecompressSync`.split(/\s+/),
);

// process.binding is not denied, because Bun's own zlib and http need it to load.
export const PROCESS_MEMBERS = [
  "_debugEnd", "_debugProcess", "_kill", "chdir", "disconnect", "dlopen", "execve",
  "initgroups", "kill", "loadEnvFile", "openStdin", "send", "setegid", "seteuid", "setgid", "setgroups",
  "setuid", "umask",
] as const;

export const GLOBALS: Readonly<Record<string, string>> = {
  ShadowRealm: INSIDES,
  Worker: THREADS,
  WebSocket: NETWORK,
  EventSource: NETWORK,
  BroadcastChannel: THREADS,
  alert: "a terminal",
  confirm: "a terminal",
  prompt: "a terminal",
};
