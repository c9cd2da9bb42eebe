import { Tabs, Text } from "@mantine/core";
import { keepPreviousData, useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { jobQuery } from "@/api/jobs";
import { heartbeatQuery, toldQuery, useRetry } from "@/api/notifications";
import { useMay } from "@/api/session";
import { useSites } from "@/api/sites";
import { ChannelsTab } from "@/features/notifications/ChannelsTab";
import { TOLD_COLUMNS } from "@/features/notifications/notification-columns";
import { TOLD_EVENTS } from "@/features/notifications/notification-words";
import { RulesTab } from "@/features/notifications/RulesTab";
import { JobPicker } from "@/features/pickers/JobPicker";
import { oneOf, oneOfOr, wholeNumber } from "@/lib/search-params";
import { useUrlState } from "@/lib/url-state";
import { DataTable } from "@/ui/DataTable";
import { EmptyState } from "@/ui/EmptyState";
import { FilterSelect } from "@/ui/FilterBar";
import { IconAction } from "@/ui/IconAction";
import { Instant } from "@/ui/Instant";
import { PageHeader } from "@/ui/PageHeader";

const TABS = [
  ["told", "What was told"],
  ["channels", "Channels"],
  ["rules", "Rules"],
] as const;
const STATES = [
  { value: "waiting", label: "Waiting" },
  { value: "sent", label: "Sent" },
  { value: "failed", label: "Failed" },
] as const;
const FIELDS = {
  tab: oneOfOr(
    TABS.map(([one]) => one),
    "told",
  ),
  event: oneOf(TOLD_EVENTS.map(([one]) => one)),
  state: oneOf(STATES.map((one) => one.value)),
  job_id: wholeNumber(),
};

/** Settings > Notifications: what was told, where to, and which rules say so. */
const NotificationsPage = () => {
  const [state, setState] = useUrlState(FIELDS);
  const sites = useSites();
  const siteName = (id: number): string => sites.find((one) => one.id === id)?.name ?? `Site ${id}`;
  return (
    <>
      <PageHeader title="Notifications">
        <SignOfLife />
      </PageHeader>
      <Tabs
        value={state.tab}
        onChange={(tab) => setState({ tab: TABS.find(([one]) => one === tab)?.[0] ?? "told" })}
        style={{ display: "flex", flexDirection: "column", flex: "1 1 auto", minHeight: 0 }}
      >
        <Tabs.List mb="sm">
          {TABS.map(([tab, label]) => (
            <Tabs.Tab key={tab} value={tab}>
              {label}
            </Tabs.Tab>
          ))}
        </Tabs.List>
        {TABS.map(([tab]) => (
          <Tabs.Panel key={tab} value={tab} style={state.tab === tab ? PANEL : undefined}>
            {state.tab !== tab ? null : tab === "channels" ? (
              <ChannelsTab siteName={siteName} />
            ) : tab === "rules" ? (
              <RulesTab
                siteName={siteName}
                jobName={(id) => <JobName id={id} />}
                jobPicker={(value, error, onChange) => (
                  <JobPicker label="Which job" value={value} error={error} onChange={onChange} />
                )}
              />
            ) : (
              <ToldTab />
            )}
          </Tabs.Panel>
        ))}
      </Tabs>
    </>
  );
};

const PANEL = { display: "flex", flexDirection: "column", flex: "1 1 auto", minHeight: 0 } as const;

const JobName = ({ id }: { id: number }) => <>{useQuery(jobQuery(id)).data?.name ?? `Job ${id}`}</>;

const ToldTab = () => {
  const [state, setState] = useUrlState(FIELDS);
  const { reason } = useMay("notifications:write");
  const retry = useRetry();
  const query = { event: state.event ?? undefined, state: state.state ?? undefined, job_id: state.job_id ?? undefined };
  const told = useInfiniteQuery({ ...toldQuery(query), placeholderData: keepPreviousData });
  const isFiltered = Object.values(query).some((one) => one !== undefined);
  return (
    <>
      <div
        role="search"
        aria-label="Filters of what was told"
        style={{ display: "flex", gap: "0.5rem", flexWrap: "wrap", marginBottom: "0.6rem" }}
      >
        <FilterSelect
          label="Any event"
          value={state.event}
          options={TOLD_EVENTS.map(([value, label]) => ({ value, label }))}
          onChange={(event) => setState({ event })}
        />
        <FilterSelect label="Any state" value={state.state} options={STATES} onChange={(chosen) => setState({ state: chosen })} />
        <JobPicker label="Any job" value={state.job_id} onChange={(job_id) => setState({ job_id })} />
      </div>
      <DataTable
        label="What was told"
        query={told}
        columns={TOLD_COLUMNS}
        rowId={(one) => String(one.id)}
        rowName={(one) => one.sentence}
        empty={
          <EmptyState icon="notification" title={isFiltered ? "Nothing is like that." : "Nothing was told yet."}>
            {isFiltered ? "Loosen a filter." : "It takes a channel, and a rule or a workflow that names it."}
          </EmptyState>
        }
        actions={(one) =>
          one.deliveries.some((delivery) => delivery.state === "failed") && (
            <IconAction
              label={`Send once more what failed: ${one.sentence}`}
              icon="history"
              reason={reason}
              busy={retry.isPending && retry.variables.id === one.id}
              onClick={() => retry.mutate(one)}
            />
          )
        }
      />
    </>
  );
};

/** The sign of life that schedulers give to whoever watches them from outside. */
const SignOfLife = () => {
  const life = useQuery(heartbeatQuery()).data;
  if (!life) return null;
  if (!life.enabled)
    return (
      <Text size="sm" component="span">
        Nobody outside is told that the Engine lives: set WATCHBILL_OUTBOUND_HEARTBEAT_URL.
      </Text>
    );
  return (
    <Text size="sm" component="span">
      A sign of life goes out every {life.every_minutes} min
      {life.why_not ? `, but not now: ${life.why_not}` : ""}. Last one:{" "}
      <Instant at={life.last_success_at} show="relative" none="none yet" />
      {life.last_error ? `; last failure: ${life.last_error}` : ""}.
    </Text>
  );
};

export default NotificationsPage;
