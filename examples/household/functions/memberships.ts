import type { Hooks } from "@bunbase/functions";

const MOST = 20; // the claims of a token have at most 1 KiB

/** Adds the households of the user to each access token, as `auth.claims.households`. Lists are filtered by it. */
export const hooks: Hooks = {
  async beforeToken({ user }, { data }) {
    const { items } = await data.query<{ household: string }>("members", { where: { user: user.id }, limit: MOST });
    return { claims: { households: items.map(({ household }) => household) } };
  },
};
