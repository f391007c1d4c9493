import { useUser } from "bunbase-js/react";
import { useState } from "react";

import { Account } from "./Account.tsx";
import { Admin } from "./Admin.tsx";
import { client } from "./client.ts";
import { show, useNotice } from "./notice.ts";
import { RoomList } from "./RoomList.tsx";
import { Room } from "./Room.tsx";
import { SignIn } from "./SignIn.tsx";

export function App() {
  const user = useUser(client.auth);
  const notice = useNotice();
  const [page, setPage] = useState("");
  return (
    <>
      {user ? (
        <div className="app" key={user.id}>
          <Account user={user} />
          <nav>
            <button type="button" onClick={() => setPage("admin")} hidden={user.role !== "admin"}>Admin page</button>
            <RoomList me={user.id} open={page} onOpen={setPage} />
          </nav>
          <main>{page === "admin" ? <Admin /> : page ? <Room key={page} room={page} me={user.id} /> : <p>Choose a room.</p>}</main>
        </div>
      ) : (
        <SignIn />
      )}
      {notice && (
        <p role="alert">
          {notice} <button type="button" onClick={() => show("")}>Close</button>
        </p>
      )}
    </>
  );
}
