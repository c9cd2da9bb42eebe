import { queryOptions } from "@tanstack/react-query";
import { api, type Schemas, unwrap } from "./client";
import { key, listQuery, useApiMutation } from "./query";

export type Operator = Schemas["OperatorReply"];
export type OperatorCreate = Schemas["OperatorCreate"];
export type OperatorUpdate = Schemas["OperatorUpdate"];
export type Role = Schemas["Role"];
export type RoleRights = Schemas["RoleReply"];

export const operatorsQuery = (query: { q?: string }) =>
  listQuery<Operator>(key("operators", "list", query), (cursor, signal) =>
    unwrap(api.GET("/api/operators", { params: { query: { ...query, limit: 100, cursor } }, signal })),
  );

/** Up to 500 accounts by name: who is who, for those who manage them. */
export const allOperatorsQuery = () =>
  queryOptions({
    queryKey: key("operators", "all"),
    queryFn: async ({ signal }) => (await unwrap(api.GET("/api/operators", { params: { query: { limit: 500 } }, signal }))).items,
    staleTime: 5 * 60_000,
  });

/** What each role may do, and what of it an account may lack. */
export const rolesQuery = () =>
  queryOptions({
    queryKey: key("operators", "roles"),
    queryFn: async ({ signal }) => (await unwrap(api.GET("/api/operators/roles", { signal }))).items,
    staleTime: "static",
  });

export const useCreateOperator = () =>
  useApiMutation({
    run: (body: OperatorCreate, headers) => unwrap(api.POST("/api/operators", { body, headers })),
    done: (made) => `The account “${made.username}” is made.`,
    touches: ["operators"],
    refusal: "form",
  });

const at = (operatorId: number) => ({ path: { operator_id: operatorId } });

export const useUpdateOperator = (done?: (saved: Operator) => string) =>
  useApiMutation({
    run: ({ id, change }: { id: number; change: OperatorUpdate }) =>
      unwrap(api.PATCH("/api/operators/{operator_id}", { params: at(id), body: change })),
    done: done ?? ((saved) => `The account “${saved.username}” is saved.`),
    touches: ["operators", "session"],
    refusal: "form",
  });

export const useDeleteOperator = () =>
  useApiMutation({
    run: (one: Operator) => unwrap(api.DELETE("/api/operators/{operator_id}", { params: at(one.id) })),
    done: (_, one) => `The account “${one.username}” is deleted.`,
    touches: ["operators"],
    refusal: "form",
  });
