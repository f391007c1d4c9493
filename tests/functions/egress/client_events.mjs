// Clients of node:http and the events that they see. The test runs this file in a function and in Node, and compares.
import http from "node:http";
import { gunzipSync } from "node:zlib";

const REQUEST = ["socket", "finish", "response", "timeout", "abort", "error", "close"];
const ANSWER = ["aborted", "end", "error", "close"];

/** Calls `begin`, and returns the events of the request and of its answer until the request has closed. */
function events(begin, { onAnswer = (answer) => answer.resume() } = {}) {
  return new Promise((resolve) => {
    const seen = [];
    const request = begin((answer) => {
      for (const name of ANSWER) {
        answer.on(name, (error) => seen.push(`answer ${name}${error instanceof Error ? ` ${error.code}: ${error.message}` : ""}`));
      }
      onAnswer(answer, request);
    });
    for (const name of REQUEST) {
      request.on(name, (error) => seen.push(`${name}${error instanceof Error ? ` ${error.code}: ${error.message}` : ""}`));
    }
    request.on("close", () => setTimeout(() => resolve(seen), 20)); // This waits for the events of the same turn.
  });
}

const scenarios = {
  "an answer": (at) => events((then) => http.get(at("/"), then)),
  "an answer to a body": (at) =>
    events((then) => {
      const request = http.request(at("/"), { method: "POST" }, then);
      request.write("one");
      request.end("two");
      return request;
    }),
  "destroyed at once": (at) => events((then) => http.get(at("/silence"), then).destroy()),
  "destroyed at once with an error": (at) =>
    events((then) => http.get(at("/silence"), then).destroy(Object.assign(new Error("mine"), { code: "MINE" }))),
  "destroyed while it waits": (at) =>
    events((then) => {
      const request = http.get(at("/silence"), then);
      request.on("finish", () => setImmediate(() => request.destroy()));
      return request;
    }),
  "aborted by abort()": (at) =>
    events((then) => {
      const request = http.get(at("/silence"), then);
      request.on("finish", () => request.abort());
      return request;
    }),
  "aborted by a signal": (at) =>
    events((then) => {
      const aborter = new AbortController();
      const request = http.get(at("/silence"), { signal: aborter.signal }, then);
      request.on("finish", () => aborter.abort());
      return request;
    }),
  "destroyed in the body": (at) =>
    events((then) => http.get(at("/drip"), then), { onAnswer: (answer, request) => answer.once("data", () => request.destroy()) }),
  "the answer destroyed in the body": (at) =>
    events((then) => http.get(at("/drip"), then), { onAnswer: (answer) => answer.once("data", () => answer.destroy()) }),
  "a socket that times out": (at) =>
    events((then) => http.get(at("/silence"), then).on("socket", (socket) => socket.setTimeout(30, () => socket.destroy()))),
  "setTimeout": (at) =>
    events((then) => {
      const request = http.get(at("/silence"), then);
      return request.setTimeout(30, () => request.destroy(Object.assign(new Error("late"), { code: "LATE" })));
    }),
  "the option timeout": (at) =>
    events((then) => {
      const request = http.get(at("/silence"), { timeout: 30 }, then);
      return request.on("timeout", () => request.destroy());
    }),
  "silence in the body": (at) =>
    events((then) => http.get(at("/drip"), then).on("timeout", function () { this.destroy(); }), {
      onAnswer: (answer, request) => answer.once("data", () => request.setTimeout(30)),
    }),
  "facts of the answer": (at) =>
    new Promise((resolve) => {
      const request = http.get(at("/"), (answer) => {
        answer.resume();
        resolve([
          answer.req === request, request.res === answer, answer.req.getHeader("host") === new URL(at("/")).host,
          answer.socket === request.socket, answer.httpVersionMajor, answer.statusCode, answer.statusMessage, answer.url,
          answer instanceof http.IncomingMessage, request instanceof http.ClientRequest, request.method, request.path,
          request.writableEnded, typeof answer.socket.setTimeout, answer.rawHeaders.length % 2, answer.complete,
        ]);
      });
    }),
  "a compressed answer": (at) =>
    new Promise((resolve) => {
      http.get(at("/gzip"), async (answer) => {
        const parts = [];
        for await (const part of answer) parts.push(part);
        const { "content-encoding": coding, "content-length": length } = answer.headers;
        resolve([coding, length === String(Buffer.concat(parts).length), gunzipSync(Buffer.concat(parts)).toString()]);
      });
    }),
  "codes of errors": (at) =>
    Promise.all(["/cut", "/hang-up"].map((path) => new Promise((resolve) => {
      const seen = ({ code }) => resolve(code);
      http.get(at(path), (answer) => answer.on("error", seen).resume()).on("error", seen);
    }))),
  "the answer destroyed with an error": (at) =>
    new Promise((resolve) => {
      const seen = [];
      const on = (name) => ({ message }) => seen.push(`${name} ${message}`) === 2 && resolve(seen.sort());
      http.get(at("/drip"), (answer) => {
        answer.on("error", on("answer")).once("data", () => answer.destroy(new Error("mine")));
      }).on("error", on("request"));
    }),
  "a method that is no token": (at) => {
    try { http.request(at("/"), { method: "A B" }); } catch (error) { return Promise.resolve([error.code, error.message]); }
  },
  "headers": (at) => {
    const request = http.request(at("/x"), { headers: { "X-One": 1, "X-Two": ["a", "b"] }, path: "/y?z" });
    request.on("error", () => {});
    request.appendHeader("x-two", "c");
    const bad = [["a b", "x"], ["x", "a\nb"], ["x", undefined]].map(([name, value]) => {
      try { request.setHeader(name, value); } catch (error) { return error.code; }
    });
    const seen = [request.getHeader("x-one"), request.getHeader("X-TWO"), request.getRawHeaderNames(), request.path, bad];
    request.destroy();
    return Promise.resolve(seen);
  },
};

export async function run(at) {
  const seen = {};
  for (const [name, scenario] of Object.entries(scenarios)) seen[name] = await scenario(at);
  return seen;
}
