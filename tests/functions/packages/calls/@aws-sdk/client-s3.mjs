import assert from "node:assert";
import { GetObjectCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";

export default async (at) => {
  const credentials = { accessKeyId: "id", secretAccessKey: "secret" };
  const client = new S3Client({ region: "eu-central-1", endpoint: at, forcePathStyle: true, credentials });
  const put = await client.send(new PutObjectCommand({ Bucket: "b", Key: "k", Body: "x".repeat(3 << 20 >> 2) }));
  assert.equal(put.$metadata.httpStatusCode, 200);
  const { Body } = await client.send(new GetObjectCommand({ Bucket: "b", Key: "k.txt" }));
  const seen = JSON.parse(await Body.transformToString());
  assert.match(seen.target, /^\/b\/k\.txt/);
  assert.match(seen.headers.authorization, /^AWS4-HMAC-SHA256 /);
};
