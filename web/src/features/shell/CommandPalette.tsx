import { createSpotlight, Spotlight } from "@mantine/spotlight";
import { useDebouncedValue } from "@mantine/hooks";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { api, unwrap } from "@/api/client";
import { key } from "@/api/query";
import { paths } from "@/lib/paths";
import { parseSearch } from "@/lib/search-params";
import { Icon, type IconName } from "@/ui/icons";
import type { NavEntry } from "./nav";

const [store, palette] = createSpotlight();
export const openPalette = palette.open;

interface Found {
  id: string;
  label: string;
  about: string;
  icon: IconName;
  to: string;
}

const MOST = 6;

/** What the Engine finds by a name: jobs and devices, a few of each. */
const find = async (q: string, signal: AbortSignal): Promise<Found[]> => {
  const query = { q, limit: MOST };
  const [jobs, devices] = await Promise.all([
    unwrap(api.GET("/api/scheduled_jobs", { params: { query }, signal })),
    unwrap(api.GET("/api/devices", { params: { query }, signal })),
  ]);
  return [
    ...jobs.items.map((one) => ({
      id: `job ${one.id}`,
      label: one.name,
      about: one.schedule_text ?? "job",
      icon: "job" as const,
      to: paths.job(one.id),
    })),
    ...devices.items.map((one) => ({
      id: `device ${one.id}`,
      label: one.hostname,
      about: `${one.site_name ?? "no site"} · ${one.online ? "online" : "offline"}`,
      icon: "device" as const,
      to: paths.device(one.id),
    })),
  ];
};

/** Ctrl+K: goes to screens, jobs and devices by their names. */
export const CommandPalette = ({ nav }: { nav: readonly NavEntry[] }) => {
  const [typed, setTyped] = useState("");
  const [q] = useDebouncedValue(typed.trim(), 180);
  const navigate = useNavigate();
  const asked = useQuery({
    queryKey: key("search", "palette", q),
    queryFn: ({ signal }) => find(q, signal),
    enabled: q.length > 0,
    placeholderData: keepPreviousData,
    staleTime: 10_000,
  });
  const wanted = typed.trim().toLowerCase();
  const screens = nav.filter((one) => one.label.toLowerCase().includes(wanted));
  const found = wanted ? (asked.data ?? []) : [];
  const go = (to: string) => () => {
    const [path, query] = to.split("?");
    void navigate({ to: path, search: parseSearch(query ?? "") as never });
  };
  return (
    <Spotlight.Root
      store={store}
      shortcut="mod + K"
      query={typed}
      onQueryChange={setTyped}
      clearQueryOnClose
      scrollable
      maxHeight={420}
    >
      <Spotlight.Search
        placeholder="A screen, a job, a device…"
        aria-label="Search or go to"
        leftSection={<Icon name="search" />}
      />
      <Spotlight.ActionsList>
        {screens.length > 0 && (
          <Spotlight.ActionsGroup label="Screens">
            {screens.map((one) => (
              <Spotlight.Action
                key={one.to}
                label={one.label}
                description={one.group}
                leftSection={<Icon name={one.icon} />}
                onClick={go(one.to)}
              />
            ))}
          </Spotlight.ActionsGroup>
        )}
        {found.length > 0 && (
          <Spotlight.ActionsGroup label="Jobs and devices">
            {found.map((one) => (
              <Spotlight.Action
                key={one.id}
                label={one.label}
                description={one.about}
                leftSection={<Icon name={one.icon} />}
                onClick={go(one.to)}
              />
            ))}
          </Spotlight.ActionsGroup>
        )}
        {screens.length + found.length === 0 && (
          <Spotlight.Empty>
            {asked.error ? asked.error.message : asked.isFetching || q !== typed.trim() ? "Searching…" : "Nothing has that name."}
          </Spotlight.Empty>
        )}
      </Spotlight.ActionsList>
    </Spotlight.Root>
  );
};
