// A journey with the AWS SDK for JavaScript. It prints one line of JSON for each step.
import assert from "node:assert/strict";
import { Readable } from "node:stream";
import {
  CopyObjectCommand, CreateBucketCommand, DeleteBucketCommand, DeleteObjectsCommand, GetObjectCommand, HeadObjectCommand,
  ListObjectsV2Command, PutObjectCommand, S3Client, paginateListObjectsV2,
} from "@aws-sdk/client-s3";
import { Upload } from "@aws-sdk/lib-storage";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";

const { S3_URL, S3_ACCESS_KEY, S3_SECRET } = process.env;
const Bucket = "journey-in-javascript";
const s3 = new S3Client({
  endpoint: S3_URL,
  region: "us-east-1",
  forcePathStyle: true,
  maxAttempts: 1,
  credentials: { accessKeyId: S3_ACCESS_KEY, secretAccessKey: S3_SECRET },
});
const large = Buffer.alloc((17 << 20) + 3, "0123456789");
const bytes = async (answer) => Buffer.from(await answer.Body.transformToByteArray());
const get = async (Key, more = {}) => bytes(await s3.send(new GetObjectCommand({ Bucket, Key, ...more })));

async function step(name, run) {
  let right = true;
  let found = "";
  try {
    await run();
  } catch (error) {
    right = false;
    found = String(error.stack ?? error).slice(0, 300);
  }
  console.log(JSON.stringify({ name, right, found }));
}

await s3.send(new CreateBucketCommand({ Bucket }));

for (const Key of ["plain", "a space+plus", "é ü 日本", "a//b", "trailing/", "!'()*~", "percent%20"]) {
  await step(`the key ${Key}`, async () => {
    await s3.send(new PutObjectCommand({ Bucket, Key, Body: Key, ContentType: "text/plain", Metadata: { kind: "odd" } }));
    const found = await s3.send(new GetObjectCommand({ Bucket, Key, ChecksumMode: "ENABLED" }));
    assert.equal(await found.Body.transformToString(), Key);
    assert.deepEqual(found.Metadata, { kind: "odd" });
    const CopySource = `${Bucket}/${encodeURIComponent(Key)}`;
    await s3.send(new CopyObjectCommand({ Bucket, Key: "copy", CopySource }));
    assert.equal((await get("copy")).toString(), Key);
    const url = await getSignedUrl(s3, new GetObjectCommand({ Bucket, Key }), { expiresIn: 60 });
    assert.equal(await (await fetch(url)).text(), Key);
  });
}

await step("a stream with a known length", async () => {
  const Body = Readable.from([Buffer.from("hello "), Buffer.from("world")]);
  await s3.send(new PutObjectCommand({ Bucket, Key: "stream", Body, ContentLength: 11 }));
  assert.equal((await get("stream")).toString(), "hello world");
});

for (const ChecksumAlgorithm of ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"]) {
  await step(`a checksum ${ChecksumAlgorithm}`, async () => {
    await s3.send(new PutObjectCommand({ Bucket, Key: "sum", Body: "hello", ChecksumAlgorithm }));
    const head = await s3.send(new HeadObjectCommand({ Bucket, Key: "sum", ChecksumMode: "ENABLED" }));
    assert.ok(head[`Checksum${ChecksumAlgorithm}`]);
    const Body = Readable.from([Buffer.alloc(100_000, "a")]);
    await s3.send(new PutObjectCommand({ Bucket, Key: "sum", Body, ContentLength: 100_000, ChecksumAlgorithm }));
    assert.equal((await get("sum", { ChecksumMode: "ENABLED" })).length, 100_000);
  });
}

await step("an upload in parts from a stream", async () => {
  await new Upload({ client: s3, params: { Bucket, Key: "large", Body: Readable.from([large]) } }).done();
  assert.ok((await get("large")).equals(large));
  assert.ok((await get("large", { Range: "bytes=-3" })).equals(large.subarray(-3)));
});

await step("a presigned PUT", async () => {
  const url = await getSignedUrl(s3, new PutObjectCommand({ Bucket, Key: "presigned" }), { expiresIn: 60 });
  assert.equal((await fetch(url, { method: "PUT", body: "hello" })).status, 200);
  assert.equal((await get("presigned")).toString(), "hello");
});

await step("a missing key has its own error", async () => {
  await assert.rejects(get("nosuch"), { name: "NoSuchKey" });
  await assert.rejects(s3.send(new HeadObjectCommand({ Bucket, Key: "nosuch" })), { name: "NotFound" });
});

await step("a conditional write", async () => {
  const put = () => s3.send(new PutObjectCommand({ Bucket, Key: "once", Body: "a", IfNoneMatch: "*" }));
  await put();
  await assert.rejects(put(), { name: "PreconditionFailed" });
});

await step("lists in pages, then all is deleted", async () => {
  const keys = [];
  for await (const page of paginateListObjectsV2({ client: s3, pageSize: 3 }, { Bucket })) {
    keys.push(...(page.Contents ?? []).map((one) => ({ Key: one.Key })));
  }
  assert.equal(new Set(keys.map((one) => one.Key)).size, 13);
  const answer = await s3.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects: keys } }));
  assert.equal(answer.Errors, undefined);
  assert.equal((await s3.send(new ListObjectsV2Command({ Bucket }))).KeyCount, 0);
  await s3.send(new DeleteBucketCommand({ Bucket }));
});
