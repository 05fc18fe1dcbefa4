// What a server says, and what something in between says.

export function json(body, status = 200, headers = {}) {
  return new Response(JSON.stringify(body), { status, headers: { "content-type": "application/graphql-response+json", ...headers } });
}

export const page = (status) => new Response("<!doctype html><title>Sorry</title>", { status });

export const problem = (code, data = null) => ({
  data,
  errors: [{ message: "In no words that anybody compares.", path: ["outcome"], extensions: { code } }],
});
