/**
 * A worker: runs one version of one function for one project. The host sends it frames over the channel.
 *
 * The host sends LOAD once. After that, any number of calls run at the same time.
 */

import { Asks } from "./asks.ts";
import { type Exported, loadBundle } from "./bundle.ts";
import { makeBytecode } from "./bytecode.ts";
import { Channel } from "./channel.ts";
import { Logs, LogSource } from "./console.ts";
import { describe, printErrorsAsThrown } from "./errors.ts";
import { installFetch } from "./fetch.ts";
import { decodeText, encodeText, Frame, FrameReader, joinPayload, readUint32, splitPayload } from "./frames.ts";
import { logExits } from "./exits.ts";
import { hookOf } from "./hooks.ts";
import { MIGRATE, migrationOf } from "./migration.ts";
import { standardBodies } from "./response.ts";
import { copyOf, lengthOf, part, SafeMap } from "./primordials.ts";
import { type Base, type Invocation, Run } from "./run.ts";

type Load = {
  project: string;
  function: { name: string; version: number };
  env: Record<string, string>;
  guard: boolean;
  bytecode: number; // the length in bytes; the bytecode follows the code
};
type Loaded = { exported: Exported; base: Base };

const MAX_PIECE_BYTES = 128 * 1024;
const MAX_BYTECODE_BYTES = 4 * 1024 * 1024; // workers/limits.py has the same number; the host kills a worker that sends more

const MAX_FRAMES = 50; // Packages such as axios put 20 frames between the caller's line and the request.

const channel = new Channel();
const asks = new Asks(channel);
const logs = new Logs(channel);
const log = logs.capture();
const runs: SafeMap<number, Run> = new SafeMap<number, Run>();
let loaded: Loaded | undefined;

function load(payload: Uint8Array): void {
  const { meta, rest } = splitPayload(payload);
  const { project, function: of, env, guard, bytecode } = meta as Load;
  const end = lengthOf(rest) - bytecode;
  try {
    const exported = loadBundle(decodeText(part(rest, 0, end)), env, guard, part(rest, end));
    loaded = { exported, base: Object.freeze({ project, function: of, env: Object.freeze(env), log }) };
    channel.send(Frame.loaded, 0);
  } catch (error) {
    channel.send(Frame.failed, 0, encodeText(describe(error)));
  }
}

/** Compiles a bundle without running it, and sends the bytecode in pieces. An empty piece is the end. */
function compile(code: Uint8Array): void {
  const made = makeBytecode(decodeText(code));
  const size = made.length <= MAX_BYTECODE_BYTES ? made.length : 0;
  for (let at = 0; at < size; at += MAX_PIECE_BYTES) {
    channel.send(Frame.bytecode, 0, made.subarray(at, at + MAX_PIECE_BYTES));
  }
  channel.send(Frame.bytecode, 0);
}

async function invoke(id: number, payload: Uint8Array): Promise<void> {
  if (loaded === undefined) return channel.send(Frame.error, id, encodeText("The function is not loaded."));
  const { meta, rest } = splitPayload(payload);
  const { hook } = meta as Invocation;
  const { handler, hooks, migration } = loaded.exported;
  const asked = hook === MIGRATE ? migrationOf(migration) : hookOf(hooks, hook);
  const run = new Run(channel, asks, logs, new LogSource(id), meta as Invocation);
  runs.set(id, run);
  await run.answer(hook === "" ? handler : asked, loaded.base, copyOf(rest));
  runs.delete(id);
}

function onFrame(type: number, id: number, payload: Uint8Array): void {
  switch (type) {
    case Frame.load:
      return load(payload);
    case Frame.compile:
      return compile(payload);
    case Frame.invoke:
      return void invoke(id, payload);
    case Frame.cancel:
      return runs.get(id)?.cancel(decodeText(payload));
    case Frame.credit:
      return runs.get(id)?.grant(readUint32(payload, 0));
    case Frame.body:
    case Frame.bodyEnd:
    case Frame.bodyFail:
      return runs.get(id)?.hearBody(type, payload);
    case Frame.ping:
      return channel.send(Frame.pong, id);
    case Frame.reply:
    case Frame.replyChunk:
    case Frame.replyEnd:
    case Frame.refused:
    case Frame.askCredit:
      return asks.onFrame(type, id, payload);
    default: // a newer host may know more types
  }
}

process.on("uncaughtException", (error) => logs.write("error", `Uncaught: ${describe(error)}`));
process.on("unhandledRejection", (error) => logs.write("error", `Unhandled rejection: ${describe(error)}`));

/**
 * Runs one call of a dummy function before the channel is open. The first run of code takes ten times as long as later
 * runs, and in this way no real call is slowed down.
 */
async function rehearse(): Promise<void> {
  const base = { project: "", function: { name: "", version: 0 }, env: {}, log };
  const request = { method: "GET", path: "/", headers: [], more: false };
  const invocation: Invocation = { invocation: "", ...request, caller: null, trigger: null, credit: 16, hook: "" };
  loaded = { exported: { handler: () => new Response("hello"), hooks: undefined }, base };
  await invoke(0, joinPayload(invocation));
  loaded = undefined;
}

Error.stackTraceLimit = MAX_FRAMES;
printErrorsAsThrown();
logExits((text) => logs.write("error", text));
standardBodies();
installFetch(asks, logs);
await rehearse();
await channel.open(new FrameReader(onFrame));
channel.send(Frame.ready, 0);
