/**
 * `node node.mjs ws|eventsource <url> <key> <watches>` prints the client's result at each barrier, and each refusal.
 */
import { EventSource } from "eventsource";
import WebSocket from "ws";

import "./follow.js";

const [library, url, key, watches] = process.argv.slice(2);
const [follow, Library] = library === "ws" ? [followSocket, WebSocket] : [followEvents, EventSource];
follow(Library, url, key, JSON.parse(watches), (line) => console.log(line));
