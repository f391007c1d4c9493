/**
 * Bytecode: what the engine makes of a bundle before it runs, so that it need not be parsed when it is loaded.
 *
 * The engine does not verify it. So it is made in a worker that never runs the bundle, and fed to workers of the very
 * version that it was made of (docs/decisions/0029). What does not fit (another Bun, other code, broken bytes) is not
 * used.
 */

import { compileFunction } from "node:vm";

import { joinPayload, splitPayload } from "./frames.ts";

const HEAD = "// @bun @bun-cjs\n(function(exports, require, module, __filename, __dirname) {";
const TAIL = /^\}\)\s*(?:\/\/#[^\n]*\s*)*$/;
const PARAMETERS = ["exports", "require", "module", "__filename", "__dirname"];
const ENGINE = `${Bun.version_with_sha} ${process.arch}`;
const NOTHING = new Uint8Array(0);
const MAX_BYTES = 4 * 1024 * 1024; // unpacked: workers hold it as long as they live; three times the code is usual
const LEVEL = 3; // of zstd: a quarter of the size, unpacked in a millisecond; more would only cost deployments time

type Options = { filename: string; importModuleDynamically: (name: string) => never };
type Packed = { engine: string; hash: string };

/** Gives the bytecode of a bundle that `bun build --format=cjs` wrote, nothing for others. Runs nothing of it. */
export function makeBytecode(code: string): Uint8Array {
  const body = bodyOf(code);
  if (body === undefined) return NOTHING;
  try {
    const made = compileFunction(body, PARAMETERS, { filename: "function.js", produceCachedData: true });
    if (!made.toString().includes(body)) return NOTHING; // it ends its function early: this is not all of it
    const { cachedData } = made as unknown as { cachedData: Uint8Array<ArrayBuffer> };
    if (cachedData.length > MAX_BYTES) return NOTHING;
    const packed: Packed = { engine: ENGINE, hash: String(Bun.hash(cachedData)) };
    return joinPayload(packed, Bun.zstdCompressSync(cachedData, { level: LEVEL }));
  } catch {
    return NOTHING; // the code can be run as text, or it was refused already
  }
}

/** Gives the bundle as a function if its bytecode is good for it here. */
export function fromBytecode(code: string, bytecode: Uint8Array, options: Options): unknown {
  try {
    const body = bodyOf(code);
    const cachedData = unpacked(bytecode);
    if (body === undefined || cachedData === undefined) return undefined;
    return compileFunction(body, PARAMETERS, { ...options, cachedData });
  } catch {
    return undefined; // the usual way says what is wrong with the code, if anything is
  }
}

function unpacked(bytecode: Uint8Array): Buffer | undefined {
  const { meta, rest } = splitPayload(bytecode);
  const { engine, hash } = meta as Packed;
  if (engine !== ENGINE) return undefined;
  const cachedData = Bun.zstdDecompressSync(rest as Uint8Array<ArrayBuffer>);
  return String(Bun.hash(cachedData)) === hash ? cachedData : undefined;
}

/** Takes the function's head off. What stands on its line stays in its column: stack traces point there. */
function bodyOf(code: string): string | undefined {
  const end = code.lastIndexOf("})");
  if (!code.startsWith(HEAD) || !TAIL.test(code.slice(end))) return undefined;
  const column = HEAD.length - HEAD.indexOf("\n") - 1;
  return " ".repeat(column) + code.slice(HEAD.length, end); // compileFunction puts a line before it, as Bun did
}
