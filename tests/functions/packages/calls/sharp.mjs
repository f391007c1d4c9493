import sharp from "sharp";

export default async () => sharp({ create: { width: 1, height: 1, channels: 3, background: "red" } }).png().toBuffer();
