import assert from "node:assert";
import { Octokit } from "@octokit/core";

export default async (at) => {
  const { status, data } = await new Octokit({ auth: "token", baseUrl: at }).request("GET /repos/{owner}/{repo}", { owner: "a", repo: "b" });
  assert.deepEqual([status, data.target, data.headers.authorization], [200, "/repos/a/b", "token token"]);
};
