import { useEffect, useState } from "react";

import { client } from "./client.ts";
import { notify } from "./notice.ts";

type Person = { id: string; email: string; banned: boolean };
type Sum = { room: string; messages: number; last: string };

export function Admin() {
  const [people, setPeople] = useState<Person[]>([]);
  const [sums, setSums] = useState<Sum[]>([]);
  const ask = (change = {}) => void client.functions.invoke("admin", change).then((answer) => setPeople(answer as Person[]), notify);
  useEffect(() => {
    ask();
    client.data
      .collection("messages")
      .aggregate({ group: ["room"], values: { messages: { $count: true }, last: { $max: "_created" } }, sort: ["-messages"] })
      .then((rows) => setSums(rows as unknown as Sum[]), notify);
  }, []);
  return (
    <>
      <h2>Rooms</h2>
      <ul>{sums.map(({ room, messages, last }) => <li key={room}>{room}: {messages} messages, the last at {last}</li>)}</ul>
      <h2>People</h2>
      <ul>
        {people.map(({ id, email, banned }) => (
          <li key={id}>{email} <button type="button" onClick={() => ask({ uid: id, banned: !banned })}>{banned ? "Unban" : "Ban"}</button></li>
        ))}
      </ul>
    </>
  );
}
