import { type QueryClient, queryOptions, useQuery, useQueryClient } from "@tanstack/react-query";
import { api, type Schemas, setCsrfToken, unwrap } from "./client";
import { isProblem } from "./problem";
import { key, useApiMutation } from "./query";

export type Session = Schemas["SessionReply"];
export type Permission = Session["permissions"][number];

const remember = (session: Session | null): Session | null => {
  setCsrfToken(session?.csrf_token ?? null);
  return session;
};

/** Who is signed in; null = nobody. */
export const sessionQuery = () =>
  queryOptions({
    queryKey: key("session"),
    queryFn: async ({ signal }) => {
      try {
        return remember(await unwrap(api.GET("/api/session", { signal })));
      } catch (error) {
        if (isProblem(error) && error.status === 401) return remember(null);
        throw error;
      }
    },
    staleTime: 5 * 60_000,
  });

export const useSession = (): Session | null => useQuery(sessionQuery()).data ?? null;

/** Whether the one who is signed in has a permission. Only for what has no `allowed_actions` of its own, such as creating. */
export const useMay = (permission: Permission): { allowed: boolean; reason: string | null } => {
  const allowed = useSession()?.permissions.includes(permission) ?? false;
  return { allowed, reason: allowed ? null : `This needs the permission “${permission}”.` };
};

/** Another person's data goes; the session itself stays in its place, where pages are looking at it. */
const begin = (client: QueryClient, session: Session | null): void => {
  client.removeQueries({ predicate: (query) => query.queryKey[0] !== "session" });
  client.setQueryData(key("session"), remember(session));
};

export const useSignIn = () => {
  const client = useQueryClient();
  return useApiMutation({
    run: (body: { username: string; password: string }) => unwrap(api.POST("/api/session", { body })),
    refusal: "form",
    onDone: (session) => begin(client, session),
  });
};

export const useChangePassword = () => {
  const client = useQueryClient();
  return useApiMutation({
    run: (body: { current_password: string; new_password: string }) => unwrap(api.POST("/api/session/password", { body })),
    refusal: "form",
    // The same person: what is known stays.
    onDone: (session) => client.setQueryData(key("session"), remember(session)),
  });
};

export const useSignOut = () => {
  const client = useQueryClient();
  return useApiMutation({
    run: () => unwrap(api.DELETE("/api/session")),
    onDone: () => begin(client, null),
  });
};
