import type { Address } from "@/api/onboarding";
import { Clamp } from "@/ui/Clamp";
import { Duration } from "@/ui/Duration";
import type { Column } from "@/ui/table-columns";
import { AddressBadge } from "./AddressBadge";
import { alsoCalled, nameOf, whatOf } from "./address-words";
import classes from "./onboarding.module.css";

const PLATFORMS: Readonly<Record<string, string>> = { linux: "Linux", windows: "Windows" };

export const platformOf = (one: Pick<Address, "platform" | "agent_version">): string =>
  [one.platform && (PLATFORMS[one.platform] ?? one.platform), one.agent_version && `agent ${one.agent_version}`]
    .filter(Boolean)
    .join(" · ") || "–";

/** The columns of the list of addresses. `narrow`: a timeline stands beside it, and takes the room. */
export const addressColumns = (
  onOpen: (one: Address) => void,
  open: number | null,
  narrow: boolean,
): readonly Column<Address>[] => [
  {
    id: "address",
    header: "Address",
    width: narrow ? 125 : 150,
    grow: true,
    fixed: true,
    phone: "title",
    cell: (one) => (
      <span className={classes.address}>
        <button type="button" aria-current={one.id === open ? "true" : undefined} onClick={() => onOpen(one)}>
          {nameOf(one)}
        </button>
        <small>{alsoCalled(one)}</small>
      </span>
    ),
  },
  { id: "state", header: "State", width: 205, cell: (one) => <AddressBadge one={one} /> },
  {
    id: "detail",
    header: "What became of it",
    width: narrow ? 130 : 225,
    grow: true,
    cell: (one) => <Clamp text={whatOf(one)} />,
  },
  ...(narrow ? [] : wide),
];

const wide: readonly Column<Address>[] = [
  { id: "platform", header: "System", width: 120, cell: (one) => platformOf(one) },
  { id: "credential_name", header: "Signed in with", width: 120, cell: (one) => <Clamp text={one.credential_name} /> },
  {
    id: "started_at",
    header: "Took",
    width: 84,
    align: "right",
    cell: (one) => (one.started_at ? <Duration since={one.started_at} until={one.finished_at} /> : "–"),
  },
];
