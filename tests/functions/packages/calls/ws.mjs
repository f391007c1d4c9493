import { once } from "node:events";
import WebSocket from "ws";

export default async (at) => {
  await once(new WebSocket(at.replace("https:", "wss:")), "open");
};
