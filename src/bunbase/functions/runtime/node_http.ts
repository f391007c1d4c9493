/**
 * The modules `node:http` and `node:https`: clients built on fetch, with the features that common npm packages use.
 *
 * `request` and `get` take a URL, options or both. The request is a Writable, and the answer is a Readable. A function
 * has no sockets, so agents are accepted and ignored, and servers cannot listen (node_server.ts).
 */

import type * as Events from "node:events";
import type * as Http from "node:http";
import type * as Https from "node:https";
import type * as Streams from "node:stream";

import { defineAnswer } from "./node_answer.ts";
import type { Arguments } from "./node_options.ts";
import { defineRequest } from "./node_request.ts";
import { defineServer } from "./node_server.ts";
import { defineSocket } from "./node_socket.ts";

type Scheme = "http:" | "https:";

const builtin = process.getBuiltinModule.bind(process);
const NAMES = new Set(["http", "https", "_http_client", "_http_incoming", "_http_server"]);
let modules: Readonly<Record<string, object>> | undefined;

/** Returns the module `http`, `https`, or an old name of a part of them. Returns undefined for every other name. */
export function clientModule(name: string): unknown {
  if (!NAMES.has(name)) return undefined;
  modules ??= defineModules();
  return modules[name];
}

/**
 * Loads Node's streams and http, which takes 12 ms. So this runs at the first use, and not at the start of every
 * worker.
 */
function defineModules(): Readonly<Record<string, object>> {
  const http = builtin("node:http") as typeof Http;
  const streams = builtin("node:stream") as typeof Streams;
  const { IncomingMessage, Answer } = defineAnswer(streams, http.STATUS_CODES);
  const ClientRequest = defineRequest({ streams, http, Answer, Socket: defineSocket(streams) });
  const Server = defineServer(builtin("node:events") as typeof Events);
  const createServer = (...given: unknown[]) => new Server(...given);

  function clientOf(scheme: Scheme) {
    const request = (...args: Arguments) => new ClientRequest(scheme, args);
    const get = (...args: Arguments) => {
      const asked = request(...args);
      asked.end();
      return asked;
    };
    return { request, get, Server, createServer };
  }

  /** The public class has no argument for the scheme, as in Node: `new http.ClientRequest(options)`. */
  class PublicRequest extends ClientRequest {
    constructor(...args: Arguments) {
      super("http:", args);
    }
    static override [Symbol.hasInstance](value: unknown): boolean {
      return value instanceof ClientRequest;
    }
  }

  const { Agent, globalAgent, METHODS, STATUS_CODES, maxHeaderSize, OutgoingMessage, ServerResponse } = http;
  const { validateHeaderName, validateHeaderValue, setMaxIdleHTTPParsers } = http;
  const classes = { ClientRequest: PublicRequest, IncomingMessage, OutgoingMessage, ServerResponse };
  const facts = { METHODS, STATUS_CODES, maxHeaderSize, validateHeaderName, validateHeaderValue, setMaxIdleHTTPParsers };
  const secure = builtin("node:https") as typeof Https;
  return {
    http: { ...clientOf("http:"), ...classes, ...facts, Agent, globalAgent },
    https: { ...clientOf("https:"), Agent: secure.Agent, globalAgent: secure.globalAgent },
    _http_client: { ClientRequest: PublicRequest },
    _http_incoming: { IncomingMessage },
    _http_server: { Server, ServerResponse, STATUS_CODES },
  };
}
