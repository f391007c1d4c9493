/**
 * Reacts to a change of a document. The change arrives as JSON in a POST request, so you can try it by hand:
 *
 *     bunbase invoke <name> --data '{"op": "create", "collection": "posts", "id": "1", "rev": 1, "document": {"title": "Hi"}}'
 */

/**
 * A change. `document`: the current content, which may be newer than `rev`; missing if the document was deleted. `before`: the
 * content before an update or delete, if the collection has `before_images`.
 */
interface Change {
  op: "create" | "update" | "delete";
  collection: string;
  id: string;
  rev: number;
  document?: Record<string, unknown>;
  before?: Record<string, unknown>;
}

export default async (req: Request): Promise<Response> => {
  if (req.method !== "POST") return new Response("Send the change with POST.\n", { status: 405 });
  const change = (await req.json()) as Change;

  // The same change may arrive more than once, so use the current document and do not count calls.
  switch (change.op) {
    case "create":
    case "update":
      console.log(`${change.collection}/${change.id}`, change.document); // read it with: bunbase logs <name>
      break;
    case "delete":
      console.log(`${change.collection}/${change.id} is deleted`);
      break;
    default:
      return new Response("op must be create, update or delete.\n", { status: 400 });
  }
  return new Response(null, { status: 204 });
};
