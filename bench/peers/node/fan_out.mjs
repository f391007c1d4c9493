/** A server with `ws` that sends each posted text to every socket. Its arguments: port, path of the package `ws`. */

import { createServer } from "node:http";
import { createRequire } from "node:module";

const [, , port, path] = process.argv;
const { WebSocket, WebSocketServer } = createRequire(import.meta.url)(path);

const server = createServer((request, response) => {
  if (request.method !== "POST") return response.end("up");
  const parts = [];
  request.on("data", (part) => parts.push(part));
  request.on("end", () => {
    const text = JSON.stringify({ t: "message", data: JSON.parse(Buffer.concat(parts).toString()) });
    for (const socket of sockets.clients) if (socket.readyState === WebSocket.OPEN) socket.send(text);
    response.end("{}");
  });
});
const sockets = new WebSocketServer({ server });
sockets.on("connection", (socket) => {
  socket.on("message", () => socket.send('{"t":"ready"}'));
});
server.listen(Number(port), "127.0.0.1");
