import { api, type Schemas, unwrap } from "./client";
import type { paths } from "./generated/schema";
import { key, listQuery, useApiMutation } from "./query";

export type VariableValue = Schemas["VariableReply"];
export type VariableValueBody = Schemas["watchbill__api__variables__VariableBody"];
export type Scope = Schemas["Scope"];
export type VariablesQuery = Omit<NonNullable<paths["/api/variables"]["get"]["parameters"]["query"]>, "limit" | "cursor">;

export const variablesQuery = (query: VariablesQuery) =>
  listQuery<VariableValue>(key("variables", "list", query), (cursor, signal) =>
    unwrap(api.GET("/api/variables", { params: { query: { ...query, limit: 100, cursor } }, signal })),
  );

const at = (one: VariableValue) => ({
  path: { variable_id: one.id },
  header: { "if-match": `"${one.revision}"` },
});

/** `before`: the value that is set anew; none sets a new one. */
export const useSetVariable = () =>
  useApiMutation({
    run: ({ before, body }: { before: VariableValue | null; body: VariableValueBody }, headers) =>
      before
        ? unwrap(api.PUT("/api/variables/{variable_id}", { params: at(before), body }))
        : unwrap(api.POST("/api/variables", { body, headers })),
    done: (saved) => `${saved.name} is set.`,
    touches: ["variables"],
    refusal: "form",
  });

export const useDeleteVariable = () =>
  useApiMutation({
    run: (one: VariableValue) => unwrap(api.DELETE("/api/variables/{variable_id}", { params: at(one) })),
    done: (_, one) => `${one.name} is taken away.`,
    touches: ["variables"],
    refusal: "form",
  });
