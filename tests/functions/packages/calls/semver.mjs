import assert from "node:assert";
import semver from "semver";

export default () => assert.equal(semver.maxSatisfying(["1.2.3", "1.9.0", "2.0.0"], "^1.0.0"), "1.9.0");
