import Redis from "ioredis";

export default async () => {
  const client = new Redis({ host: "127.0.0.1", lazyConnect: true, retryStrategy: null, maxRetriesPerRequest: 0 });
  await client.connect();
};
