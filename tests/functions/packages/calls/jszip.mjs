import assert from "node:assert";
import JSZip from "jszip";

export default async () => {
  const packed = await new JSZip().file("a/b.txt", "text").generateAsync({ type: "uint8array", compression: "DEFLATE" });
  assert.equal(await (await JSZip.loadAsync(packed)).file("a/b.txt").async("string"), "text");
};
