/**
 * Bytecode: the compiled form of a bundle. A worker that loads bytecode need not parse the bundle.
 *
 * The engine does not verify bytecode, so forged bytecode could do anything. For this reason, a worker that never runs
 * the bundle compiles it, and only workers of the same version load the result (docs/decisions/0029). A worker ignores
 * bytecode of another version of Bun, of other code, or with a wrong hash.
 */

import { compileFunction } from "node:vm";

import { joinPayload, splitPayload } from "./frames.ts";

const HEAD = "// @bun @bun-cjs\n(function(exports, require, module, __filename, __dirname) {";
const TAIL = /^\}\)\s*(?:\/\/#[^\n]*\s*)*$/;
const PARAMETERS = ["exports", "require", "module", "__filename", "__dirname"];
const ENGINE = `${Bun.version_with_sha} ${process.arch}`;
const NOTHING = new Uint8Array(0);
// This is the limit of the uncompressed bytecode, which usually has three times the size of the code. Workers keep the
// bytecode until they end.
const MAX_BYTES = 4 * 1024 * 1024;
// At this level, zstd makes a quarter of the size, and decompresses it in 1 ms. A higher level only makes deployments
// slower.
const LEVEL = 3;

type Options = { filename: string; importModuleDynamically: (name: string) => never };
type Packed = { engine: string; hash: string };

/** Compiles a bundle of `bun build --format=cjs` without running it. Returns no bytes for other bundles. */
export function makeBytecode(code: string): Uint8Array {
  const body = bodyOf(code);
  if (body === undefined) return NOTHING;
  try {
    const made = compileFunction(body, PARAMETERS, { filename: "function.js", produceCachedData: true });
    // The code closes its function early, so a part of the code would be missing.
    if (!made.toString().includes(body)) return NOTHING;
    const { cachedData } = made as unknown as { cachedData: Uint8Array<ArrayBuffer> };
    if (cachedData.length > MAX_BYTES) return NOTHING;
    const packed: Packed = { engine: ENGINE, hash: String(Bun.hash(cachedData)) };
    return joinPayload(packed, Bun.zstdCompressSync(cachedData, { level: LEVEL }));
  } catch {
    return NOTHING; // Without bytecode, the bundle still runs.
  }
}

/** Returns the bundle as a function, or undefined if the bytecode cannot be used. */
export function fromBytecode(code: string, bytecode: Uint8Array, options: Options): unknown {
  try {
    const body = bodyOf(code);
    const cachedData = unpacked(bytecode);
    if (body === undefined || cachedData === undefined) return undefined;
    return compileFunction(body, PARAMETERS, { ...options, cachedData });
  } catch {
    return undefined; // Loading without bytecode will report any error in the code.
  }
}

function unpacked(bytecode: Uint8Array): Buffer | undefined {
  const { meta, rest } = splitPayload(bytecode);
  const { engine, hash } = meta as Packed;
  if (engine !== ENGINE) return undefined;
  const cachedData = Bun.zstdDecompressSync(rest as Uint8Array<ArrayBuffer>);
  return String(Bun.hash(cachedData)) === hash ? cachedData : undefined;
}

/** Returns the body of the bundle's function. Code on the first line keeps its column, for stack traces. */
function bodyOf(code: string): string | undefined {
  const end = code.lastIndexOf("})");
  if (!code.startsWith(HEAD) || !TAIL.test(code.slice(end))) return undefined;
  const column = HEAD.length - HEAD.indexOf("\n") - 1;
  return " ".repeat(column) + code.slice(HEAD.length, end); // compileFunction adds a first line, as `bun build` does.
}
