/** MD5 (RFC 1321), because the `etag` of a file is the MD5 of its bytes, and Web Crypto does not have MD5. */

const SHIFTS = [7, 12, 17, 22, 5, 9, 14, 20, 4, 11, 16, 23, 6, 10, 15, 21];
const SINES = Int32Array.from({ length: 64 }, (_, n) => Math.floor(Math.abs(Math.sin(n + 1)) * 2 ** 32));

/** Returns the digest in hexadecimal digits. @internal */
export function md5(bytes: Uint8Array): string {
  const padded = new Uint8Array(((bytes.length + 8) >> 6 << 6) + 64);
  padded.set(bytes);
  padded[bytes.length] = 0x80;
  const view = new DataView(padded.buffer);
  view.setBigUint64(padded.length - 8, BigInt(bytes.length) * 8n, true);
  const sum = Int32Array.of(0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476);
  for (let at = 0; at < padded.length; at += 64) {
    let [a, b, c, d] = sum as unknown as [number, number, number, number];
    for (let n = 0; n < 64; n++) {
      const round = n >> 4;
      const mixed = [(b & c) | (~b & d), (d & b) | (~d & c), b ^ c ^ d, c ^ (b | ~d)][round]!;
      const word = [n, 5 * n + 1, 3 * n + 5, 7 * n][round]! & 15;
      const added = (a + mixed + SINES[n]! + view.getInt32(at + word * 4, true)) | 0;
      const shift = SHIFTS[round * 4 + (n & 3)]!;
      [a, d, c, b] = [d, c, b, (b + ((added << shift) | (added >>> (32 - shift)))) | 0];
    }
    for (const [n, one] of [a, b, c, d].entries()) sum[n] = sum[n]! + one;
  }
  return Array.from(new Uint8Array(sum.buffer), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
