import { stateMark } from "@/lib/states";
import { Icon } from "./icons";
import classes from "./ui.module.css";

/** A state by icon, word and tone. `detail` says more where there is room; `plain` leaves the frame away. */
export const StateBadge = ({ state, detail, plain = false }: { state: string; detail?: string | null; plain?: boolean }) => {
  const { word, icon, tone } = stateMark(state);
  return (
    <span
      className={classes.state}
      data-tone={tone}
      data-plain={plain}
      data-spins={icon === "running"}
      title={detail ?? undefined}
    >
      <Icon name={icon} size={14} />
      <span>{word}</span>
    </span>
  );
};
