import { Loader, Text } from "@mantine/core";
import type { WindowPreview } from "@/api/windows";
import { duration } from "@/lib/time";
import { Instant } from "@/ui/Instant";
import { TitledPanel } from "@/ui/TitledPanel";
import classes from "./windows.module.css";

interface PreviewPanelProps {
  kind: "allow" | "deny";
  preview: (WindowPreview & { span_texts?: (string | null)[] }) | undefined;
  isReading: boolean;
  /** Why there is none. */
  problem?: string | null;
}

const MOST = 10;

const length = (from: string, to: string): string => duration((new Date(to).getTime() - new Date(from).getTime()) / 1_000);

/** What the Engine makes of a window: its stretches in words, and the next of them on each clock. */
export const PreviewPanel = ({ kind, preview, isReading, problem }: PreviewPanelProps) => (
  <TitledPanel
    title={kind === "deny" ? "When nothing starts" : "When work may start"}
    actions={isReading && <Loader size="xs" />}
  >
    {problem && (
      <Text size="sm" c="var(--wb-bad)">
        {problem}
      </Text>
    )}
    {!preview && !problem && (
      <Text size="sm" c="dimmed">
        The Engine is asked…
      </Text>
    )}
    {preview?.span_texts && (
      <ul className={classes.words}>
        {preview.span_texts.map((text, place) => (
          <li key={`${place} ${text ?? ""}`}>{text ?? "This stretch cannot be read."}</li>
        ))}
      </ul>
    )}
    {preview?.zones.map((zone) => (
      <div key={zone.timezone}>
        <Text size="xs" c="dimmed" mt="sm" mb={4}>
          The next five weeks{preview.zones.length > 1 ? ` in ${zone.timezone}` : ""}
        </Text>
        {zone.stretches.length === 0 && <Text size="sm">Never in this time.</Text>}
        <ol className={classes.stretches}>
          {zone.stretches.slice(0, MOST).map((one) => (
            <li key={one.starts_at}>
              <Instant at={one.starts_at} siteZone={zone.timezone} />{" "}
              <span className={classes.dim}>
                {one.ends_at ? `for ${length(one.starts_at, one.ends_at)}` : "with no end in sight"}
              </span>
            </li>
          ))}
        </ol>
        {(zone.stretches.length > MOST || zone.is_capped) && (
          <Text size="xs" c="dimmed" mt={4}>
            and {zone.is_capped ? "many" : (zone.stretches.length - MOST).toLocaleString("en")} more
          </Text>
        )}
      </div>
    ))}
    {preview?.is_capped && (
      <Text size="xs" c="dimmed" mt={4}>
        There are sites in more zones than these.
      </Text>
    )}
  </TitledPanel>
);
