import { jwt } from "better-auth/plugins";
import { SignJWT } from "jose";

const secret = new TextEncoder().encode(process.env.BETTER_AUTH_SECRET);

export const sharedSecretJwt = jwt({
  // Better Auth wants both of these beside a `sign`, and uses neither.
  jwks: { remoteUrl: "https://unused.example", keyPairConfig: { alg: "EdDSA" } },
  jwt: {
    sign: (payload) => new SignJWT(payload).setProtectedHeader({ alg: "HS256" }).sign(secret),
  },
});
