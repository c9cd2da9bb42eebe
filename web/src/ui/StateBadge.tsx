import { type StateMark, stateMark } from "@/lib/states";
import { Icon } from "./icons";
import classes from "./ui.module.css";

/** A state by icon, word and tone. `detail` says more where there is room; `plain` leaves the frame away. */
export const StateBadge = ({ state, ...rest }: { state: string; detail?: string | null; plain?: boolean }) => (
  <MarkBadge mark={stateMark(state)} {...rest} />
);

interface MarkBadgeProps {
  mark: StateMark;
  detail?: string | null;
  plain?: boolean;
}

/** The same of a state that has marks of its own. */
export const MarkBadge = ({ mark: { word, icon, tone }, detail, plain = false }: MarkBadgeProps) => (
  <span className={classes.state} data-tone={tone} data-plain={plain} data-spins={icon === "running"} title={detail ?? undefined}>
    <Icon name={icon} size={14} />
    <span>{word}</span>
  </span>
);
