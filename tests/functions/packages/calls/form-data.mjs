import assert from "node:assert";
import https from "node:https";
import FormData from "form-data";

export default async (at) => {
  const form = new FormData();
  form.append("field", "value");
  form.append("file", Buffer.from("bytes"), { filename: "a.png", contentType: "image/png" });
  const request = https.request(at + "/upload", { method: "POST", headers: form.getHeaders() });
  const [answer] = await new Promise((resolve, reject) => {
    request.on("response", (...got) => resolve(got)).on("error", reject);
    form.pipe(request);
  });
  let text = "";
  for await (const chunk of answer) text += chunk;
  const { headers, body } = JSON.parse(text);
  assert.match(headers["content-type"], /^multipart\/form-data; boundary=/);
  assert.match(body, /filename="a.png"\r\nContent-Type: image\/png\r\n\r\nbytes/);
};
