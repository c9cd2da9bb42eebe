import type { WholeDevice } from "@/api/devices";
import { Instant } from "@/ui/Instant";
import { TitledPanel } from "@/ui/TitledPanel";
import classes from "./devices.module.css";

/** Who is signed in on it, or was when it went offline. */
export const SessionsPanel = ({ device }: { device: WholeDevice }) => {
  if (device.sessions === null) return null;
  return (
    <TitledPanel title={device.online ? "Signed in" : "Signed in when it was last seen"} flush>
      {device.sessions.length === 0 ? (
        <div className={classes.none}>Nobody.</div>
      ) : (
        <ul className={classes.rows}>
          {device.sessions.map((one) => (
            <li key={one.id}>
              <strong>{one.user}</strong>
              <span>
                <Instant at={one.since_at} show="relative" none="" />
              </span>
              <small>{[one.place, one.is_remote ? "from afar" : null].filter(Boolean).join(" · ")}</small>
            </li>
          ))}
        </ul>
      )}
    </TitledPanel>
  );
};
