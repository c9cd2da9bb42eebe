import { api, type Schemas, unwrap } from "./client";
import { key, listQuery, useApiMutation } from "./query";

/** Webhooks of workflows: what launches them from outside. Keys begin with `webhooks`. */

export type Webhook = Schemas["WebhookReply"];
/** With its secret, which is told now and never again. */
export type MadeWebhook = Schemas["MadeWebhookReply"];
export type WebhookBody = Schemas["WebhookBody"];
export type Delivery = Schemas["WebhookDeliveryReply"];
export type TestReply = Schemas["TestReply"];

const PAGE = 50;
const TOUCHES = ["webhooks"] as const;
const matching = (one: { revision: number }) => ({ "if-match": `"${one.revision}"` });
const path = (one: { id: number }) => ({ webhook_id: one.id });

/** Those of one workflow, oldest first. */
export const webhooksQuery = (workflowId: string) =>
  listQuery<Webhook>(key("webhooks", "list", workflowId), (cursor, signal) =>
    unwrap(
      api.GET("/api/workflows/{assembly_id}/webhooks", {
        params: { path: { assembly_id: workflowId }, query: { limit: PAGE, cursor } },
        signal,
      }),
    ),
  );

/** What came last, newest first. */
export const deliveriesQuery = (webhookId: number) =>
  listQuery<Delivery>(key("webhooks", "deliveries", webhookId), (cursor, signal) =>
    unwrap(
      api.GET("/api/webhooks/{webhook_id}/deliveries", {
        params: { path: { webhook_id: webhookId }, query: { limit: PAGE, cursor } },
        signal,
      }),
    ),
  );

export const useCreateWebhook = (workflowId: string) =>
  useApiMutation({
    refusal: "form",
    run: (body: WebhookBody, headers) =>
      unwrap(
        api.POST("/api/workflows/{assembly_id}/webhooks", { params: { path: { assembly_id: workflowId } }, headers, body }),
      ),
    touches: TOUCHES,
  });

export const useUpdateWebhook = () =>
  useApiMutation({
    refusal: "form",
    run: ({ before, body }: { before: Webhook; body: WebhookBody }) =>
      unwrap(
        api.PUT("/api/webhooks/{webhook_id}", { params: { path: path(before), header: matching(before) }, body }),
      ),
    done: (saved) => `The webhook “${saved.name}” is saved.`,
    touches: TOUCHES,
  });

export const useDeleteWebhook = () =>
  useApiMutation({
    refusal: "form",
    run: (one: Webhook) =>
      unwrap(api.DELETE("/api/webhooks/{webhook_id}", { params: { path: path(one), header: matching(one) } })),
    done: (_, one) => `The webhook “${one.name}” is deleted.`,
    touches: TOUCHES,
  });

export const useRotateWebhook = () =>
  useApiMutation({
    refusal: "form",
    run: ({ one, overlapSeconds }: { one: Webhook; overlapSeconds: number }, headers) =>
      unwrap(
        api.POST("/api/webhooks/{webhook_id}/rotate", {
          params: { path: path(one) },
          headers,
          body: { overlap_seconds: overlapSeconds },
        }),
      ),
    touches: TOUCHES,
  });

export const useTestWebhook = () =>
  useApiMutation({
    refusal: "form",
    run: ({ one, payload, launch }: { one: Webhook; payload: unknown; launch: boolean }, headers) =>
      unwrap(
        api.POST("/api/webhooks/{webhook_id}/test", { params: { path: path(one) }, headers, body: { payload, launch } }),
      ),
    touches: [...TOUCHES, "workflowRuns"],
  });
