import { api, type Schemas, unwrap } from "./client";
import { key, listQuery, useApiMutation } from "./query";

export type ApiToken = Schemas["ApiTokenReply"];
export type NewApiToken = Schemas["NewApiTokenReply"];
export type ApiTokenCreate = Schemas["ApiTokenCreate"];

/** One's own, or everybody's for those who manage operators; newest first. */
export const tokensQuery = (all: boolean) =>
  listQuery<ApiToken>(key("tokens", "list", all), (cursor, signal) =>
    unwrap(api.GET("/api/api_tokens", { params: { query: { all, limit: 100, cursor } }, signal })),
  );

/** The reply has the token's text, this once: it is kept by whoever shows it and nowhere else. */
export const useCreateToken = () =>
  useApiMutation({
    run: (body: ApiTokenCreate, headers) => unwrap(api.POST("/api/api_tokens", { body, headers })),
    touches: ["tokens"],
    refusal: "form",
  });

export const useRevokeToken = () =>
  useApiMutation({
    run: (one: ApiToken) => unwrap(api.DELETE("/api/api_tokens/{token_id}", { params: { path: { token_id: one.id } } })),
    done: (_, one) => `The token “${one.name}” is revoked.`,
    touches: ["tokens"],
    refusal: "form",
  });
