import createClient, { type Middleware } from "openapi-fetch";
import type { components, paths } from "./generated/schema";
import { problemOf, unreachable } from "./problem";

/** Typed calls of the Engine's API: `await api.GET("/api/scheduled_jobs/{job_id}", …)`, and `unwrap(…)` for what it answers. */

export type Schemas = components["schemas"];

let csrfToken: string | null = null;
let onSignedOut: () => void = () => undefined;

/** The token that writes need, as the session told it. */
export const setCsrfToken = (token: string | null): void => {
  csrfToken = token;
};
/** What to do when a reply says that nobody is signed in. */
export const whenSignedOut = (action: () => void): void => {
  onSignedOut = action;
};

const SAFE = new Set(["GET", "HEAD"]);

const session: Middleware = {
  onRequest({ request }) {
    if (SAFE.has(request.method)) return;
    if (csrfToken) request.headers.set("X-CSRF-Token", csrfToken);
  },
  async onResponse({ request, response }) {
    if (response.ok) return;
    const isSignIn = request.method === "POST" && new URL(request.url).pathname === "/api/session";
    if (response.status === 401 && !isSignIn) onSignedOut();
    const body: unknown = await response.json().catch(() => null);
    throw problemOf(response, body);
  },
  onError() {
    return unreachable();
  },
};

export const api = createClient<paths>({
  baseUrl: typeof location === "undefined" ? "http://watchbill.test" : location.origin,
  credentials: "same-origin",
  // Looked up at each call, so that a test can stand in for the network.
  fetch: (request) => globalThis.fetch(request),
});
api.use(session);

/** The body of a reply; a refusal was thrown as an ApiProblem before. */
export const unwrap = async <T>(call: Promise<{ data?: T }>): Promise<T> => (await call).data as T;
