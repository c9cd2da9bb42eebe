import { inCountOrder, stateMark } from "@/lib/states";
import { AppLink } from "./AppLink";
import { Icon } from "./icons";
import classes from "./ui.module.css";

interface CountsBarProps {
  counts: Readonly<Record<string, number>>;
  /** Where a count leads; without, counts are only told. */
  linkOf?: (state: string) => string;
  /** The state that is chosen now. */
  chosen?: string | null;
  /** small: icon and number, for rows of a table. */
  size?: "small" | "full";
}

/** How many targets are in which state: a bar of shares above, numbers with icons and words below; what went wrong comes first. */
export const CountsBar = ({ counts, linkOf, chosen, size = "full" }: CountsBarProps) => {
  const told = inCountOrder(counts);
  if (told.length === 0) return <span className={classes.dim}>no devices</span>;
  const total = told.reduce((sum, [, number]) => sum + number, 0);
  const parts = told.map(([state, number]) => {
    const { word, icon, tone } = stateMark(state);
    const said = `${number.toLocaleString("en")} ${word.toLowerCase()}`;
    const shown = (
      <>
        <Icon name={icon} size={13} />
        <span>{number.toLocaleString("en")}</span>
        {size === "full" && <span> {word}</span>}
      </>
    );
    // Where the words are there to be read they are its name.
    const look = { className: classes.count, "data-tone": tone, title: said, "aria-label": size === "full" ? undefined : said };
    if (!linkOf)
      return (
        <span key={state} role={size === "full" ? undefined : "img"} {...look}>
          {shown}
        </span>
      );
    return (
      <AppLink key={state} to={linkOf(state)} {...look} aria-current={chosen === state ? "true" : undefined}>
        {shown}
      </AppLink>
    );
  });
  if (size === "small") return <span className={classes.counts}>{parts}</span>;
  return (
    <div>
      <div className={classes.shares} aria-hidden="true">
        {told.map(([state, number]) => (
          <span key={state} data-tone={stateMark(state).tone} style={{ flexGrow: Math.max(number / total, 0.004) }} />
        ))}
      </div>
      <div className={classes.counts}>{parts}</div>
    </div>
  );
};
