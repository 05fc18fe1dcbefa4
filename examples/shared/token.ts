/** Where the API is, and who asks. */
export const url = "http://127.0.0.1:8000/graphql";

/** For a first try. With Better Auth's client: `(await authClient.token()).data!.token`. */
export const fetchToken = async (): Promise<string> => import.meta.env.VITE_TOKEN;
