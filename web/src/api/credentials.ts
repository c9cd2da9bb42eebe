import { queryOptions } from "@tanstack/react-query";
import { api, type Schemas, unwrap } from "./client";
import type { paths } from "./generated/schema";
import { key, listQuery, useApiMutation } from "./query";

export type Credential = Schemas["CredentialReply"];
export type CredentialBody = Schemas["CredentialBody"];
export type CredentialKind = Schemas["CredentialKind"];
export type Transport = Schemas["Transport"];
export type BecomeMethod = Schemas["BecomeMethod"];
export type CredentialUsage = Schemas["CredentialUsage"];
export type CredentialsQuery = Omit<NonNullable<paths["/api/credentials"]["get"]["parameters"]["query"]>, "limit" | "cursor">;

export const credentialsQuery = (query: CredentialsQuery) =>
  listQuery<Credential>(key("credentials", "list", query), (cursor, signal) =>
    unwrap(api.GET("/api/credentials", { params: { query: { ...query, limit: 100, cursor } }, signal })),
  );

/** Those that a job may choose from. */
export const credentialChoices = (kind: CredentialKind) =>
  queryOptions({
    queryKey: key("credentials", "choices", kind),
    queryFn: async ({ signal }) =>
      (await unwrap(api.GET("/api/credentials", { params: { query: { kind, limit: 500 } }, signal }))).items,
  });

export const credentialUsageQuery = (credentialId: number) =>
  queryOptions({
    queryKey: key("credentials", "usage", credentialId),
    queryFn: ({ signal }) =>
      unwrap(api.GET("/api/credentials/{credential_id}/usage", { params: { path: { credential_id: credentialId } }, signal })),
    staleTime: 0,
  });

const at = (one: Credential) => ({
  path: { credential_id: one.id },
  header: { "if-match": `"${one.revision}"` },
});

/** `before`: the credential that is saved anew; none makes a new one. */
export const useSaveCredential = () =>
  useApiMutation({
    run: ({ before, body }: { before: Credential | null; body: CredentialBody }, headers) =>
      before
        ? unwrap(api.PUT("/api/credentials/{credential_id}", { params: at(before), body }))
        : unwrap(api.POST("/api/credentials", { body, headers })),
    done: (saved) => `“${saved.name}” is saved.`,
    touches: ["credentials", "jobs"],
    refusal: "form",
  });

export const useDeleteCredential = () =>
  useApiMutation({
    run: (one: Credential) => unwrap(api.DELETE("/api/credentials/{credential_id}", { params: at(one) })),
    done: (_, one) => `“${one.name}” is deleted.`,
    touches: ["credentials"],
    refusal: "form",
  });
