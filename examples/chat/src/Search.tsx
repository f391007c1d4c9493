import { useQuery } from "bunbase-js/react";
import { useState } from "react";

import { Ask } from "./Ask.tsx";
import { client } from "./client.ts";

export function Search({ room }: { room: string }) {
  const [words, setWords] = useState("");
  const { page, problem } = useQuery(client.data.collection("messages"), words ? { where: { $search: words, room }, sort: ["-_created"], limit: 20 } : null);
  return (
    <search>
      <Ask label="Search" onAnswer={setWords} />
      {words && (
        <ul aria-label="Found">
          {problem ? <li>{problem.message}</li> : page?.items.map(({ _id, name, text }) => <li key={_id}>{name}: {text}</li>)}
          <li><button type="button" onClick={() => setWords("")}>Close</button></li>
        </ul>
      )}
    </search>
  );
}
