import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { type Device, devicesQuery } from "@/api/devices";
import { type AssemblyChoice, assemblyChoices, type FilterChoice, filterChoices, siteChoices } from "@/api/job-editor";
import { key } from "@/api/query";
import { type Site, useSites } from "@/api/sites";
import { paths } from "@/lib/paths";
import { AppLink } from "@/ui/AppLink";
import { Clamp } from "@/ui/Clamp";
import { FilterSelect } from "@/ui/FilterBar";
import { Icon } from "@/ui/icons";
import type { Column } from "@/ui/table-columns";
import { ChoiceDialog } from "./ChoiceDialog";

interface PickerProps<T> {
  title: string;
  onChoose: (ids: T[]) => void;
  onClose: () => void;
}

const counting = (one: string, many: string) => (number: number) => `${number.toLocaleString("en")} ${number === 1 ? one : many}`;

const DEVICE_COLUMNS: readonly Column<Device>[] = [
  { id: "hostname", header: "Device", width: 200, grow: true, fixed: true, phone: "title", cell: (one) => one.hostname },
  {
    id: "online",
    header: "Now",
    width: 90,
    cell: (one) => (
      <span data-tone={one.online ? "good" : "idle"} style={{ color: "var(--tone)" }}>
        {one.online ? "online" : "offline"}
      </span>
    ),
  },
  { id: "site", header: "Site", width: 130, grow: true, cell: (one) => one.site_name ?? "–" },
  { id: "os", header: "System", width: 160, grow: true, cell: (one) => <Clamp text={one.os_name || one.os_family} /> },
];

export const DevicePicker = ({ title, onChoose, onClose }: PickerProps<string>) => {
  const client = useQueryClient();
  const sites = useSites();
  const [site, setSite] = useState<string | null>(null);
  return (
    <ChoiceDialog<Device>
      title={title}
      label="Devices"
      counted={counting("device", "devices")}
      icon="device"
      placeholder="Find a device by its name"
      query={(q) => devicesQuery({ q: q || undefined, site_id: site === null ? undefined : Number(site) })}
      columns={DEVICE_COLUMNS}
      rowId={(one) => one.id}
      rowName={(one) => one.hostname}
      filters={
        <FilterSelect
          label="Any site"
          value={site}
          options={sites.map((one) => ({ value: String(one.id), label: one.name }))}
          onChange={setSite}
        />
      }
      whenEmpty={
        <>
          Enrol one first: <AppLink to={paths.sites()}>Sites</AppLink> tells how.
        </>
      }
      onChoose={(rows) => {
        for (const one of rows) client.setQueryData(key("devices", "name", one.id), one.hostname);
        onChoose(rows.map((one) => one.id));
      }}
      onClose={onClose}
    />
  );
};

const FILTER_COLUMNS: readonly Column<FilterChoice>[] = [
  { id: "name", header: "Filter", width: 180, grow: true, fixed: true, phone: "title", cell: (one) => one.name },
  { id: "in_words", header: "Finds", width: 320, grow: true, cell: (one) => <Clamp text={one.in_words} /> },
];

export const FilterPicker = ({ title, onChoose, onClose }: PickerProps<number>) => {
  const client = useQueryClient();
  return (
    <ChoiceDialog<FilterChoice>
      title={title}
      label="Filters"
      counted={counting("filter", "filters")}
      icon="filter"
      placeholder="Find a filter by its name"
      query={filterChoices}
      columns={FILTER_COLUMNS}
      rowId={(one) => String(one.id)}
      rowName={(one) => one.name}
      whenEmpty={
        <>
          A filter finds devices by what they are. <AppLink to={paths.newFilter()}>Make the first one.</AppLink>
        </>
      }
      onChoose={(rows) => {
        for (const one of rows) client.setQueryData(key("filters", "name", one.id), one.name);
        onChoose(rows.map((one) => one.id));
      }}
      onClose={onClose}
    />
  );
};

const SITE_COLUMNS: readonly Column<Site>[] = [
  { id: "name", header: "Site", width: 180, grow: true, fixed: true, phone: "title", cell: (one) => one.name },
  { id: "timezone", header: "Clocks", width: 150, cell: (one) => one.timezone },
  {
    id: "devices",
    header: "Devices",
    width: 130,
    align: "right",
    cell: (one) => `${one.device_count.toLocaleString("en")} (${one.online_count.toLocaleString("en")} online)`,
  },
];

export const SitePicker = ({ title, onChoose, onClose }: PickerProps<number>) => {
  const client = useQueryClient();
  return (
    <ChoiceDialog<Site>
      title={title}
      label="Sites"
      counted={counting("site", "sites")}
      icon="site"
      placeholder="Find a site by its name"
      query={siteChoices}
      columns={SITE_COLUMNS}
      rowId={(one) => String(one.id)}
      rowName={(one) => one.name}
      whenEmpty={<AppLink to={paths.sites()}>Make the first site.</AppLink>}
      onChoose={(rows) => {
        for (const one of rows) client.setQueryData(key("sites", "name", one.id), one.name);
        onChoose(rows.map((one) => one.id));
      }}
      onClose={onClose}
    />
  );
};

const ASSEMBLY_COLUMNS: readonly Column<AssemblyChoice>[] = [
  {
    id: "name",
    header: "Assembly",
    width: 220,
    grow: true,
    fixed: true,
    phone: "title",
    cell: (one) => (
      <span style={{ display: "inline-flex", gap: "0.4rem", alignItems: "center" }}>
        <Icon name="assembly" size={14} />
        {one.name}
      </span>
    ),
  },
  { id: "interpreter", header: "Runs in", width: 100, cell: (one) => one.interpreter ?? (one.kind === "workflow" ? "workflow" : "ansible") },
  { id: "variables", header: "Variables", width: 90, align: "right", cell: (one) => one.variables?.length ?? 0 },
  {
    id: "description",
    header: "About",
    width: 240,
    grow: true,
    phone: "hidden",
    cell: (one) => <Clamp text={one.description} />,
  },
];

export const AssemblyPicker = ({ title, onChoose, onClose }: PickerProps<Pick<AssemblyChoice, "id" | "kind">>) => (
  <ChoiceDialog<AssemblyChoice>
    title={title}
    label="Assemblies"
    counted={counting("assembly", "assemblies")}
    icon="assembly"
    placeholder="Find an assembly by its name"
    query={assemblyChoices}
    columns={ASSEMBLY_COLUMNS}
    rowId={(one) => one.id}
    rowName={(one) => one.name}
    whenEmpty={
      <>
        An assembly is a script, a playbook or a workflow with its variables. <AppLink to={paths.newAssembly()}>Write the first one.</AppLink>
      </>
    }
    onChoose={onChoose}
    onClose={onClose}
  />
);
