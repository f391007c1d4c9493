import type { Hooks } from "@bunbase/functions";

const MOST = 20; // the claims that this hook adds may have at most 1 KiB

/**
 * Adds the households of the user to each access token, as `auth.claims.households`. The rules filter lists by this
 * claim.
 */
export const hooks: Hooks = {
  async beforeToken({ user }, { data }) {
    const { items } = await data.query<{ household: string }>("members", { where: { user: user.id }, limit: MOST });
    return { claims: { households: items.map(({ household }) => household) } };
  },
};
