import { jwt } from "better-auth/plugins";

export const scopedJwt = jwt({
  jwt: {
    definePayload: ({ user }) => ({
      name: user.name,
      email: user.email,
      emailVerified: user.emailVerified,
      // Whoever has not shown that the address is theirs may read only.
      scope: user.emailVerified ? "tasks:read tasks:write" : "tasks:read",
    }),
  },
});

/** Returns a token for a program that adds tasks of a user, and reads none: for 15 minutes. */
export async function tokenToAdd(auth, userId) {
  const payload = {
    sub: userId,
    iat: Math.floor(Date.now() / 1000),
    scope: "tasks:write",
  };
  const { token } = await auth.api.signJWT({ body: { payload } });
  return token;
}
