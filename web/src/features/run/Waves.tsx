import { Button } from "@mantine/core";
import type { Can } from "@/api/can";
import type { Occurrence } from "@/api/runs";
import { CountsBar } from "@/ui/CountsBar";
import { Icon } from "@/ui/icons";
import { Instant } from "@/ui/Instant";
import classes from "./run.module.css";

interface WavesProps {
  one: Occurrence;
  promote: Can;
  brake: Can;
  busy: boolean;
  onPromote: (wave: number) => void;
  onBrake: () => void;
}

/** How far a run is that goes in waves, what it waits for, and a person's word on it. Of one that follows zones, when each begins. */
export const Waves = ({ one, promote, brake, busy, onPromote, onBrake }: WavesProps) => {
  const { rollout, waves } = one;
  if (!rollout && waves.length === 0) return null;
  const next =
    rollout && rollout.waves !== null && rollout.wave < rollout.waves && rollout.phase !== "braked" ? rollout.wave + 1 : null;
  const isOpen = one.state === "open";
  return (
    <div className={classes.waves}>
      {rollout && (
        <div className={classes.outcome}>
          <span className={rollout.phase === "braked" ? classes.warn : undefined}>{rollout.sentence}</span>
          {rollout.until && rollout.phase !== "braked" && (
            <span>
              until <Instant at={rollout.until} />
            </span>
          )}
          {rollout.braked_at && (
            <span>
              {rollout.braked_by ? `${rollout.braked_by}, ` : ""}
              <Instant at={rollout.braked_at} />
            </span>
          )}
          {isOpen && next !== null && (
            <span title={promote.reason ?? undefined}>
              <Button
                variant="default"
                loading={busy}
                disabled={!promote.allowed}
                leftSection={<Icon name="promote" size={14} />}
                onClick={() => onPromote(next)}
              >
                Begin wave {next} now
              </Button>
            </span>
          )}
          {isOpen && rollout.phase !== "braked" && rollout.phase !== "ended" && (
            <span title={brake.reason ?? undefined}>
              <Button
                variant="default"
                color="red"
                disabled={!brake.allowed}
                leftSection={<Icon name="brake" size={14} />}
                onClick={onBrake}
              >
                Brake…
              </Button>
            </span>
          )}
        </div>
      )}
      {waves.length > 1 && (
        <ol className={classes.waveList}>
          {waves.map((wave) => (
            <li key={wave.wave} data-is-now={rollout?.wave === wave.wave && isOpen}>
              <strong>{wave.timezone ?? `Wave ${wave.wave}`}</strong>
              {wave.starts_at ? <Instant at={wave.starts_at} show="absolute" /> : <span>not begun</span>}
              <CountsBar size="small" counts={wave.counts} />
            </li>
          ))}
        </ol>
      )}
    </div>
  );
};
