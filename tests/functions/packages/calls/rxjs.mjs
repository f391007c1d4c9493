import assert from "node:assert";
import { delay, firstValueFrom, from, mergeMap, toArray } from "rxjs";
import { fromFetch } from "rxjs/fetch";

export default async (at) => {
  const read = mergeMap((n) => fromFetch(`${at}/${n}`, { selector: (answer) => answer.json() }));
  const seen = await firstValueFrom(from([1, 2]).pipe(delay(1), read, toArray()));
  assert.deepEqual(seen.map((one) => one.target).sort(), ["/1", "/2"]);
};
