import { useQueries, useQuery } from "@tanstack/react-query";
import { credentialChoices } from "@/api/credentials";
import { assemblyQuery, deviceNameQuery, filterNameQuery, siteNameQuery } from "@/api/job-editor";
import { asProblem } from "@/api/problem";
import { paths } from "@/lib/paths";
import { Icon, type IconName } from "@/ui/icons";
import type { Target } from "./form";

/** What a target is called: looked up when it is shown. */

interface Named {
  name: string;
  isGone: boolean;
}

const named = (data: string | undefined, error: Error | null, id: string | number): Named => ({
  name: data ?? (error ? `no longer there (${id})` : "…"),
  isGone: error !== null && asProblem(error).status === 404,
});

const DeviceName = ({ id }: { id: string }) => {
  const { data, error } = useQuery(deviceNameQuery(id));
  return <Shown {...named(data, error, id)} />;
};
const FilterName = ({ id }: { id: number }) => {
  const { data, error } = useQuery(filterNameQuery(id));
  return <Shown {...named(data, error, id)} />;
};
export const SiteName = ({ id }: { id: number }) => {
  const { data, error } = useQuery(siteNameQuery(id));
  return <Shown {...named(data, error, id)} />;
};
const Shown = ({ name, isGone }: Named) => (isGone ? <em>{name}</em> : <>{name}</>);

export const TargetName = ({ target }: { target: Target }) => {
  switch (target.kind) {
    case "device":
      return <DeviceName id={target.device_id} />;
    case "filter":
      return <FilterName id={target.filter_id} />;
    case "site":
      return <SiteName id={target.site_id} />;
    case "all_devices":
      return <>all devices</>;
  }
};

const ICONS: Readonly<Record<Target["kind"], IconName>> = {
  device: "device",
  filter: "filter",
  site: "site",
  all_devices: "device",
};
const KINDS: Readonly<Record<Target["kind"], string>> = {
  device: "Device",
  filter: "Filter",
  site: "Site",
  all_devices: "All devices",
};

/** A target with the icon of its kind. */
export const TargetLabel = ({ target }: { target: Target }) => (
  <span style={{ display: "inline-flex", gap: "0.35rem", alignItems: "center", minWidth: 0 }} title={KINDS[target.kind]}>
    <Icon name={ICONS[target.kind]} size={13} />
    <TargetName target={target} />
  </span>
);

/** Where a target is looked at closer; none for all devices. */
export const targetPath = (target: Target): string | null => {
  if (target.kind === "device") return paths.device(target.device_id);
  if (target.kind === "filter") return paths.filter(target.filter_id);
  return target.kind === "site" ? paths.site(target.site_id) : null;
};

export const AssemblyName = ({ id }: { id: string }) => {
  const { data, error } = useQuery(assemblyQuery(id, "latest"));
  return <>{data?.name ?? (error ? `an assembly that is not there (${id})` : "…")}</>;
};

/** Credentials in their order, by their names where one sees them. */
export const CredentialNames = ({ ids }: { ids: readonly number[] }) => {
  const found = useQueries({ queries: [credentialChoices("ssh"), credentialChoices("winrm")] });
  const all = found.flatMap((one) => one.data ?? []);
  const names = ids.map((id) => all.find((one) => one.id === id)?.name ?? `credential ${String(id)}`);
  return <>{names.length ? names.join(", then ") : "–"}</>;
};
