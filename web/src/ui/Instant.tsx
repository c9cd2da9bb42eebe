import { Tooltip } from "@mantine/core";
import { absolute, relative, short, zoneName } from "@/lib/time";
import { useNow } from "@/lib/use-now";
import { useZone } from "@/lib/zone";
import classes from "./ui.module.css";

interface InstantProps {
  at: string | null | undefined;
  /** Whose clocks “site” means here. */
  siteZone?: string | null;
  /** both: `today 03:00 CET · in 5 min`; stacked: the same on two lines; the others show one half, and the rest when looked at. */
  show?: "both" | "stacked" | "relative" | "absolute";
  /** What to say when there is no time. */
  none?: string;
}

/** An instant as people read it, with the zone printed; everything exact on hover and focus. */
export const Instant = ({ at, siteZone, show = "both", none = "–" }: InstantProps) => {
  const zone = useZone(siteZone);
  const now = useNow();
  if (!at) return <span className={classes.dim}>{none}</span>;
  const said = `${short(at, zone, now)} ${zoneName(zone, new Date(at))}`;
  return (
    <Tooltip label={`${absolute(at, zone)} (${zone}) · ${relative(at, now)}`}>
      {/* Reached by the keyboard too, as the exact time is told nowhere else. */}
      {/* eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- a tooltip must open by focus as well as by hover */}
      <time dateTime={at} tabIndex={0} className={classes.instant} data-stacked={show === "stacked"}>
        {show !== "relative" && <span>{said}</span>}
        {show === "both" && <span className={classes.dim}> · </span>}
        {show !== "absolute" && <span className={show === "relative" ? undefined : classes.dim}>{relative(at, now)}</span>}
      </time>
    </Tooltip>
  );
};
