import { queryOptions } from "@tanstack/react-query";
import { api, type Schemas, unwrap } from "./client";
import type { paths } from "./generated/schema";
import { key, listQuery, useApiMutation } from "./query";

/** Channels, rules, and what was told on them. */

export type Channel = Schemas["ChannelReply"];
export type ChannelBody = Schemas["ChannelBody"];
export type Rule = Schemas["RuleReply"];
export type RuleBody = Schemas["JobRuleBody"];
export type NotificationEvent = RuleBody["events"][number];
export type Told = Schemas["NotificationReply"];
export type ToldQuery = Omit<NonNullable<paths["/api/notifications"]["get"]["parameters"]["query"]>, "limit" | "cursor">;

const PAGE = 100;
const TOUCHES = ["notifications"] as const;
const matching = (one: { revision: number }) => ({ "if-match": `"${one.revision}"` });

// --- channels -----------------------------------------------------------------------------------------------------------

export const channelsQuery = () =>
  listQuery<Channel>(key("notifications", "channels"), (cursor, signal) =>
    unwrap(api.GET("/api/notification_channels", { params: { query: { limit: PAGE, cursor } }, signal })),
  );

/** Up to 500 channels, for pickers. */
export const channelChoicesQuery = () =>
  queryOptions({
    queryKey: key("notifications", "channelChoices"),
    queryFn: async ({ signal }) =>
      (await unwrap(api.GET("/api/notification_channels", { params: { query: { limit: 500 } }, signal }))).items,
  });

const ofChannel = (one: { id: number }) => ({ channel_id: one.id });

export const useSaveChannel = (before: Channel | null) =>
  useApiMutation({
    refusal: "form",
    run: async (body: ChannelBody, headers): Promise<Channel & { secret?: string | null }> =>
      before
        ? unwrap(
            api.PUT("/api/notification_channels/{channel_id}", {
              params: { path: ofChannel(before), header: matching(before) },
              body,
            }),
          )
        : unwrap(api.POST("/api/notification_channels", { body, headers })),
    done: (saved) => `The channel “${saved.name}” is saved.`,
    touches: TOUCHES,
  });

export const useTestChannel = () =>
  useApiMutation({
    run: (one: Channel) => unwrap(api.POST("/api/notification_channels/{channel_id}/test", { params: { path: ofChannel(one) } })),
    touches: TOUCHES,
  });

export const useArchiveChannel = () =>
  useApiMutation({
    refusal: "form",
    run: (one: Channel) =>
      unwrap(
        api.POST("/api/notification_channels/{channel_id}/archive", {
          params: { path: ofChannel(one), header: matching(one) },
        }),
      ),
    done: (saved) => `The channel “${saved.name}” is out of use.`,
    touches: TOUCHES,
  });

// --- rules --------------------------------------------------------------------------------------------------------------

export const rulesQuery = () =>
  listQuery<Rule>(key("notifications", "rules"), (cursor, signal) =>
    unwrap(api.GET("/api/notification_rules", { params: { query: { limit: PAGE, cursor } }, signal })),
  );

export interface RuleOf {
  job_id: number | null;
  site_id: number | null;
}

export const useSaveRule = (before: Rule | null) =>
  useApiMutation({
    refusal: "form",
    run: ({ body, of }: { body: RuleBody; of: RuleOf }, headers) => {
      if (before)
        return unwrap(
          api.PUT("/api/notification_rules/{rule_id}", {
            params: { path: { rule_id: before.id }, header: matching(before) },
            body,
          }),
        );
      if (of.job_id !== null)
        return unwrap(
          api.POST("/api/scheduled_jobs/{job_id}/notifications", { params: { path: { job_id: of.job_id } }, body, headers }),
        );
      return unwrap(api.POST("/api/notification_rules", { body: { ...body, site_id: of.site_id }, headers }));
    },
    done: () => "The rule is saved.",
    touches: TOUCHES,
  });

export const useArchiveRule = () =>
  useApiMutation({
    refusal: "form",
    run: (one: Rule) =>
      unwrap(
        api.POST("/api/notification_rules/{rule_id}/archive", {
          params: { path: { rule_id: one.id }, header: matching(one) },
        }),
      ),
    done: () => "The rule is out of use.",
    touches: TOUCHES,
  });

// --- what was told ------------------------------------------------------------------------------------------------------

export const toldQuery = (query: ToldQuery) =>
  listQuery<Told>(key("notifications", "told", query), (cursor, signal) =>
    unwrap(api.GET("/api/notifications", { params: { query: { ...query, limit: PAGE, cursor } }, signal })),
  );

export const useRetry = () =>
  useApiMutation({
    run: (one: Told) =>
      unwrap(api.POST("/api/notifications/{notification_id}/retry", { params: { path: { notification_id: one.id } } })),
    done: (_, one) => `What failed of “${one.sentence}” is sent once more.`,
    touches: TOUCHES,
  });

export const heartbeatQuery = () =>
  queryOptions({
    queryKey: key("notifications", "heartbeat"),
    queryFn: ({ signal }) => unwrap(api.GET("/api/outbound_heartbeat", { signal })),
  });
