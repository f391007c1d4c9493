/** The parts of uploads that few pages need: progress, streams and resumable uploads. They are loaded at the first use. */

export { resumableUpload } from "./resumable.js";
