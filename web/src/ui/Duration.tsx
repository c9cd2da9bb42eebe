import { duration } from "@/lib/time";
import { useNow } from "@/lib/use-now";

type DurationProps = { seconds: number | null | undefined } | { since: string; until: string | null };

/** A span in its two largest units; `since` without `until` goes on counting. */
export const Duration = (props: DurationProps) => {
  const now = useNow();
  if ("seconds" in props) return <span>{typeof props.seconds === "number" ? duration(props.seconds) : "–"}</span>;
  const end = props.until ? new Date(props.until) : now;
  return <span>{duration(Math.max(0, (end.getTime() - new Date(props.since).getTime()) / 1000))}</span>;
};
