import { Button, Menu, SegmentedControl } from "@mantine/core";
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { deviceQuery, executionsQuery, type StatusVerb, type WholeDevice } from "@/api/devices";
import { asProblem } from "@/api/problem";
import { useMay } from "@/api/session";
import { useSites } from "@/api/sites";
import { DeviceState } from "@/features/devices/device-columns";
import { EditDevice, SetStatus } from "@/features/devices/DeviceDialogs";
import { EXECUTION_COLUMNS } from "@/features/devices/execution-columns";
import { FactsPanel } from "@/features/devices/FactsPanel";
import { LabelsPanel } from "@/features/devices/LabelsPanel";
import { RecentPanel } from "@/features/devices/RecentPanel";
import { ServiceAccountPanel } from "@/features/devices/ServiceAccountPanel";
import { SessionsPanel } from "@/features/devices/SessionsPanel";
import { SoftwareTab } from "@/features/devices/SoftwareTab";
import { TargetingPanel } from "@/features/devices/TargetingPanel";
import { TunnelPanel } from "@/features/devices/TunnelPanel";
import { WaitingPanel } from "@/features/devices/WaitingPanel";
import { oneOfOr, text } from "@/lib/search-params";
import { useUrlState } from "@/lib/url-state";
import { useTextParam } from "@/lib/use-id-param";
import { DataTable } from "@/ui/DataTable";
import { EmptyState } from "@/ui/EmptyState";
import { Icon } from "@/ui/icons";
import { PageHeader } from "@/ui/PageHeader";
import { ProblemAlert } from "@/ui/ProblemAlert";
import { Reading } from "@/ui/Reading";
import { PanelColumn, Panels } from "@/ui/TitledPanel";

const TABS = [
  { value: "overview", label: "Overview" },
  { value: "executions", label: "Executions" },
  { value: "software", label: "Software" },
] as const;
const STATE = {
  tab: oneOfOr(
    TABS.map((one) => one.value),
    "overview",
  ),
  q: text(),
};

/** One device: what is known of it, what ran and waits on it, and what can be done with it. */
const DevicePage = () => {
  const deviceId = useTextParam("deviceId");
  const device = useQuery(deviceQuery(deviceId));
  if (device.error && !device.data)
    return <ProblemAlert problem={asProblem(device.error)} onRetry={() => void device.refetch()} />;
  if (!device.data) return <Reading what="the device" />;
  return <TheDevice device={device.data} />;
};

const TheDevice = ({ device }: { device: WholeDevice }) => {
  const [state, setState] = useUrlState(STATE);
  const [asked, setAsked] = useState<"edit" | StatusVerb | null>(null);
  const sites = useSites();
  const write = useMay("devices:write");
  const run = useMay("jobs:run");
  const executions = useInfiniteQuery({ ...executionsQuery(device.id), enabled: state.tab === "executions" });
  const siteZone = sites.find((one) => one.id === device.site_id)?.timezone;
  const close = (): void => setAsked(null);
  return (
    <>
      <PageHeader
        title={device.hostname}
        beside={<DeviceState device={device} />}
        actions={<Actions device={device} reason={write.reason} onAsk={setAsked} />}
      >
        {device.description || "A device"}
      </PageHeader>
      <SegmentedControl
        size="xs"
        mb="sm"
        style={{ alignSelf: "flex-start", flex: "none" }}
        aria-label="Part of the page"
        data={[...TABS]}
        value={state.tab}
        onChange={(value) => setState({ tab: TABS.find((one) => one.value === value)?.value ?? "overview", q: "" })}
      />
      {state.tab === "overview" && (
        <Panels main>
          <PanelColumn>
            <RecentPanel deviceId={device.id} />
            <WaitingPanel device={device} reason={run.reason} />
            <TargetingPanel deviceId={device.id} />
          </PanelColumn>
          <PanelColumn>
            <FactsPanel device={device} siteZone={siteZone} />
            <LabelsPanel device={device} reason={write.reason} />
            <SessionsPanel device={device} />
            <TunnelPanel device={device} />
            <ServiceAccountPanel device={device} />
          </PanelColumn>
        </Panels>
      )}
      {state.tab === "executions" && (
        <DataTable
          label="Executions"
          query={executions}
          columns={EXECUTION_COLUMNS}
          rowId={(one) => one.id}
          rowName={(one) => one.job_name}
          empty={
            <EmptyState icon="job" title="Nothing ran on it yet.">
              What jobs run on this device is kept here, newest first.
            </EmptyState>
          }
        />
      )}
      {state.tab === "software" && <SoftwareTab deviceId={device.id} q={state.q} onSearch={(q) => setState({ q })} />}
      {asked === "edit" && <EditDevice device={device} sites={sites} onClose={close} />}
      {asked !== null && asked !== "edit" && <SetStatus device={device} verb={asked} onClose={close} />}
    </>
  );
};

interface ActionsProps {
  device: WholeDevice;
  reason: string | null;
  onAsk: (what: "edit" | StatusVerb) => void;
}

const Actions = ({ device, reason, onAsk }: ActionsProps) => {
  const isRevoked = device.status === "revoked";
  const off = reason ?? (isRevoked ? "A revoked device stays revoked; the machine can enrol again." : null);
  return (
    <>
      <Button
        variant="default"
        leftSection={<Icon name="edit" size={14} />}
        disabled={reason !== null}
        title={reason ?? undefined}
        onClick={() => onAsk("edit")}
      >
        Edit…
      </Button>
      <Menu>
        <Menu.Target>
          <Button
            variant="default"
            disabled={off !== null}
            title={off ?? undefined}
            rightSection={<Icon name="more" size={14} />}
          >
            Access
          </Button>
        </Menu.Target>
        <Menu.Dropdown>
          {device.status === "disabled" ? (
            <Menu.Item onClick={() => onAsk("enable")}>Enable…</Menu.Item>
          ) : (
            <Menu.Item onClick={() => onAsk("disable")}>Disable…</Menu.Item>
          )}
          <Menu.Item color="red" leftSection={<Icon name="cancelled" size={14} />} onClick={() => onAsk("revoke")}>
            Revoke…
          </Menu.Item>
        </Menu.Dropdown>
      </Menu>
    </>
  );
};

export default DevicePage;
