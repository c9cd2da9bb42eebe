import type { WholeDevice } from "@/api/devices";
import { paths } from "@/lib/paths";
import { AppLink } from "@/ui/AppLink";
import { FactList } from "@/ui/FactList";
import { Instant } from "@/ui/Instant";
import { TitledPanel } from "@/ui/TitledPanel";
import { bytes } from "./amounts";
import classes from "./devices.module.css";

/** What is known of the machine. What it has not told is a dash. */
export const FactsPanel = ({ device, siteZone }: { device: WholeDevice; siteZone: string | undefined }) => {
  const at = (instant: string | null, none = "never") => (
    <Instant at={instant} siteZone={device.timezone ?? siteZone} show="relative" none={none} />
  );
  return (
    <TitledPanel title="About this device">
      <FactList
        facts={[
          {
            label: "Site",
            value: device.site_id === null ? "no site" : <AppLink to={paths.site(device.site_id)}>{device.site_name}</AppLink>,
          },
          { label: "Last seen", value: device.online ? <>now, connected {at(device.connected_at)}</> : at(device.last_seen_at) },
          { label: "System", value: `${device.os_name} ${device.os_version}`.trim() },
          { label: "Architecture", value: device.arch },
          { label: "Type", value: device.device_type },
          { label: "Processors", value: device.cpu_count },
          { label: "Memory", value: bytes(device.ram_bytes) },
          { label: "Free on system disk", value: bytes(device.disk_free_bytes) },
          { label: "Addresses", value: device.internal_addresses?.join(", ") },
          { label: "Seen from", value: device.external_address },
          { label: "Domain", value: device.domain },
          { label: "Last user", value: device.last_user },
          { label: "Time zone", value: device.timezone ?? (siteZone && `${siteZone} (its site’s)`) },
          { label: "Interpreters", value: device.interpreters?.join(", ") },
          { label: "Agent", value: [device.agent_version, device.agent_branch].filter(Boolean).join(" · ") },
          { label: "Inventory", value: at(device.inventory_at) },
          { label: "Enrolled", value: at(device.created_at) },
          { label: "Id", value: <code>{device.id}</code> },
        ]}
      />
      {Object.keys(device.inventory).length > 0 && (
        <details>
          <summary>All that its agent told</summary>
          {/* eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- a part that scrolls must be reached by the keyboard */}
          <pre className={classes.json} tabIndex={0} role="region" aria-label="All that its agent told">
            {JSON.stringify(device.inventory, null, 2)}
          </pre>
        </details>
      )}
    </TitledPanel>
  );
};
