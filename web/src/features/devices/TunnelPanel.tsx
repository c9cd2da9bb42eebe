import type { WholeDevice } from "@/api/devices";
import { FactList } from "@/ui/FactList";
import { Instant } from "@/ui/Instant";
import { StateBadge } from "@/ui/StateBadge";
import { TitledPanel } from "@/ui/TitledPanel";
import { bytes } from "./amounts";

/** The VPN to it: whether work can go that way now, and why not. Not shown of a device that has told of no tunnel. */
export const TunnelPanel = ({ device }: { device: WholeDevice }) => {
  const tunnel = device.tunnel;
  if (tunnel === null) return null;
  const at = (instant: string | null, none: string) => <Instant at={instant} show="relative" none={none} />;
  return (
    <TitledPanel title="Tunnel">
      <FactList
        facts={[
          { label: "State", value: <StateBadge state={`tunnel_${tunnel.state}`} plain /> },
          ...(tunnel.detail === null ? [] : [{ label: "Why", value: tunnel.detail }]),
          { label: "Address", value: tunnel.address },
          { label: "Open until", value: at(tunnel.open_until, "not asked for") },
          { label: "Last handshake", value: at(tunnel.handshake_at, "never") },
          { label: "Comes from", value: tunnel.endpoint },
          { label: "From it, to it", value: `${bytes(tunnel.rx_bytes) ?? "–"}, ${bytes(tunnel.tx_bytes) ?? "–"}` },
        ]}
      />
    </TitledPanel>
  );
};
