import assert from "node:assert";
import { WebClient } from "@slack/web-api";

export default async (at) => {
  const client = new WebClient("token", { slackApiUrl: at + "/api/", retryConfig: { retries: 0 } });
  // The site does not send Slack's answer ({"ok": true}), so the client reports an error of the API.
  await assert.rejects(client.chat.postMessage({ channel: "c", text: "t" }), { code: "slack_webapi_platform_error" });
};
