/** Where the clients have their tokens from. */

export interface Session {
  /** The token to send: fetched when there is none yet. */
  token(): Promise<string>;
  /** Drop the token, so that the next one is fetched. */
  renew(): void;
}

/** A session by whatever fetches a token. */
export function sessionBy(fetchToken: () => Promise<string>): Session {
  let known: Promise<string> | undefined;
  const renew = () => {
    known = undefined;
  };
  const token = () => {
    // Kept as a promise, so that requests sent at once share one; a failure is not kept.
    known ??= fetchToken().catch((error) => {
      renew();
      throw error;
    });
    return known;
  };
  return { token, renew };
}
