import pg from "pg";

export default async () => new pg.Client({ host: "127.0.0.1" }).connect();
