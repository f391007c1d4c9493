/**
 * Runs a program: `run.mjs <path of the program> <folder of the bundles> <environment as JSON>`. Prints the results as
 * JSON.
 */

import { Claims } from "./harness.mjs";

const [program, bundles, environment] = process.argv.slice(2);
const load = (name) => import(`${bundles}/${name}.js`);
const { add } = await import(program);
const claims = new Claims();
await add(claims.claim, { load, ...JSON.parse(environment) });
console.log(JSON.stringify(await claims.checked()));
