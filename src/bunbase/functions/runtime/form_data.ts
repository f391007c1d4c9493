/**
 * `formData()` with the content types that the parts name, as the Fetch standard requires.
 *
 * Bun derives the type of a file from the file's name. So a function that checks the type of an upload would only check
 * a name.
 */

type Form = Awaited<ReturnType<Response["formData"]>>;
type Holder = { headers: Headers; arrayBuffer(): Promise<ArrayBuffer>; formData(): Promise<Form> };

const MAX_HEAD_BYTES = 16 * 1024;
const WITHOUT_TYPE = "text/plain"; // Fetch standard, "multipart/form-data parser"
const BOUNDARY = /^multipart\/form-data\s*;(?:.*;)?\s*boundary=(?:"([^"]+)"|([^;\s]+))/i;
const FILE = /^content-disposition:[^\r\n]*;\s*filename\*?=/im;
const TYPE = /^content-type:[ \t]*([^\r\n]*)/im;

export function standardForms(): void {
  const parse = Response.prototype.formData as (this: unknown) => Promise<Form>;
  for (const { prototype } of [Request, Response] as { prototype: Holder }[]) {
    const native = prototype.formData;
    prototype.formData = async function formData(): Promise<Form> {
      const type = this.headers.get("content-type") ?? "";
      const boundary = BOUNDARY.exec(type);
      if (boundary === null) return native.call(this);
      const bytes = await this.arrayBuffer();
      const form = await parse.call(new Response(bytes, { headers: { "content-type": type } }));
      return withTypes(form, typesOf(Buffer.from(bytes), boundary[1] ?? boundary[2] ?? ""));
    };
  }
}

/** Returns a type for each part, in order, or undefined for a part that is not a file. */
function typesOf(bytes: Buffer, boundary: string): (string | undefined)[] {
  const types: (string | undefined)[] = [];
  const delimiter = Buffer.from(`\r\n--${boundary}`, "latin1");
  let at = bytes.indexOf(delimiter.subarray(2)) - 2; // The first delimiter has no line before it.
  for (; at > -3; at = bytes.indexOf(delimiter, at + delimiter.length)) {
    const begin = at + delimiter.length;
    if (at === -1 || bytes.toString("latin1", begin, begin + 2) === "--") break;
    const end = bytes.indexOf("\r\n\r\n", begin, "latin1");
    if (end === -1) break;
    const head = bytes.toString("latin1", begin, Math.min(end, begin + MAX_HEAD_BYTES));
    types.push(FILE.test(head) ? (TYPE.exec(head)?.[1]?.trim() || WITHOUT_TYPE) : undefined);
  }
  return types;
}

function withTypes(form: Form, types: readonly (string | undefined)[]): Form {
  const entries = [...form] as [string, string | File][];
  if (entries.length !== types.length) return form; // Bun has read the form differently, so Bun's types stay.
  const typed = new FormData();
  for (const [at, [name, value]] of entries.entries()) {
    const type = types[at];
    if (typeof value === "string") typed.append(name, value);
    else typed.append(name, type === undefined || value.type === type ? value : new File([value], value.name, { type }));
  }
  return typed as Form;
}
