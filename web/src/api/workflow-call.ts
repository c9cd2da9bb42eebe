import { api, unwrap } from "./client";

/** Calls of what the generated client does not know by its type. */

interface Init {
  params?: { path?: Record<string, unknown>; query?: Record<string, unknown> };
  headers?: Record<string, string>;
  body?: unknown;
  signal?: AbortSignal;
}
type Untyped = (method: "get" | "post", path: string, init: Init) => Promise<{ data?: unknown }>;
const request = api.request.bind(api) as unknown as Untyped;

export const getIt = async <T>(path: string, init: Init): Promise<T> => (await unwrap(request("get", path, init))) as T;
export const postIt = async <T>(path: string, init: Init): Promise<T> => (await unwrap(request("post", path, init))) as T;
