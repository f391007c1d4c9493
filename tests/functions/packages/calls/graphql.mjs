import assert from "node:assert";
import { buildSchema, graphql } from "graphql";

export default async () => {
  const schema = buildSchema("type Query { hello(name: String!): String }");
  const { data } = await graphql({ schema, source: '{ hello(name: "a") }', rootValue: { hello: ({ name }) => `Hello ${name}` } });
  assert.equal(data.hello, "Hello a");
};
