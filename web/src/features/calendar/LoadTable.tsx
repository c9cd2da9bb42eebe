import { useInfiniteQuery, useQueries } from "@tanstack/react-query";
import type { Stretch } from "@/api/calendar";
import { windowPreviewQuery, windowsQuery, type WindowRow } from "@/api/windows";
import { paths } from "@/lib/paths";
import { AppLink } from "@/ui/AppLink";
import { Icon } from "@/ui/icons";
import { coveredBy, heatOf } from "./calendar-words";
import classes from "./calendar.module.css";

interface LoadTableProps {
  stretches: readonly Stretch[];
  zone: string;
  step: "hour" | "day";
  siteId: number | null;
  siteName: (siteId: number | null) => string;
}

const MOST_WINDOWS = 8;
const short = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

/** Below a calendar, in the same steps: how many starts on devices each site has, and which windows are open. */
export const LoadTable = ({ stretches, zone, step, siteId, siteName }: LoadTableProps) => {
  const windows = useInfiniteQuery(windowsQuery({ enabled: true, site_id: siteId ?? undefined }));
  const some = (windows.data?.pages[0]?.items ?? []).slice(0, MOST_WINDOWS);
  const sites = [...new Set(stretches.flatMap((one) => one.load.map((there) => there.site_id)))];
  const most = Math.max(0, ...stretches.flatMap((one) => one.load.map((there) => there.starts)));
  if (sites.length === 0 && some.length === 0) return null;
  const head = new Intl.DateTimeFormat("en-GB", {
    timeZone: zone,
    ...(step === "hour" ? { hour: "2-digit", hourCycle: "h23" } : { day: "numeric" }),
  });
  const full = new Intl.DateTimeFormat("en-GB", {
    timeZone: zone,
    weekday: "short",
    day: "numeric",
    month: "short",
    ...(step === "hour" ? { hour: "2-digit", minute: "2-digit", hourCycle: "h23" } : undefined),
  });
  return (
    // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- a part that scrolls must be reached by the keyboard
    <div className={`wb-panel ${classes.load}`} tabIndex={0} role="region" aria-label="Load and windows">
      <table style={{ minWidth: `${9 + stretches.length * 1.5}rem` }}>
        <caption>
          Starts on devices per {step}, and windows. What is to come is reckoned with the devices that jobs find now.
        </caption>
        <thead>
          <tr>
            <th scope="col">Site</th>
            {stretches.map((one) => (
              <th key={one.starts_at} scope="col" title={full.format(new Date(one.starts_at))}>
                {head.format(new Date(one.starts_at))}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {sites.map((site) => (
            <tr key={site ?? 0}>
              <th scope="row">{siteName(site)}</th>
              {stretches.map((one) => {
                const there = one.load.find((found) => found.site_id === site);
                const said = there
                  ? `${full.format(new Date(one.starts_at))}: ${there.starts.toLocaleString("en")} starts on devices, ${there.occurrences.toLocaleString("en")} occurrences`
                  : undefined;
                return (
                  <td key={one.starts_at} data-heat={heatOf(there?.starts ?? 0, most)} title={said}>
                    {there?.starts ? short.format(there.starts) : ""}
                  </td>
                );
              })}
            </tr>
          ))}
          <WindowRows windows={some} stretches={stretches} siteId={siteId} />
        </tbody>
      </table>
    </div>
  );
};

const WindowRows = ({
  windows,
  stretches,
  siteId,
}: {
  windows: readonly WindowRow[];
  stretches: readonly Stretch[];
  siteId: number | null;
}) => {
  const from = stretches[0]?.starts_at;
  const to = stretches.at(-1)?.ends_at;
  const previews = useQueries({
    queries: windows.map((one) => ({
      ...windowPreviewQuery(one.id, { from, to, site_id: siteId ?? undefined }),
      staleTime: 300_000,
    })),
  });
  return windows.map((one, place) => {
    const zones = previews[place]?.data?.zones ?? [];
    return (
      <tr key={one.id}>
        <th scope="row">
          <AppLink to={paths.window(one.id)} title={`${one.name}: ${one.kind === "deny" ? "blackout" : "maintenance window"}`}>
            {one.name}
          </AppLink>
        </th>
        {stretches.map((stretch) => {
          const covered = coveredBy(
            stretch,
            zones.flatMap((zone) => zone.stretches),
          );
          const word = one.kind === "deny" ? "closed" : "open";
          const said = { none: undefined, part: `${word} for a part of it`, all: word }[covered];
          return (
            <td key={stretch.starts_at} data-window={covered === "none" ? undefined : one.kind} data-part={covered} title={said}>
              {covered !== "none" && (
                <>
                  <Icon name={one.kind === "deny" ? "cancelled" : "window"} size={12} />
                  <span className="wb-only-read">{said}</span>
                </>
              )}
            </td>
          );
        })}
      </tr>
    );
  });
};
