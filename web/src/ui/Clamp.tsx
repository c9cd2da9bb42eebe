import classes from "./ui.module.css";

/** A text on at most two lines; the whole of it when pointed at. */
export const Clamp = ({ text, none = "–" }: { text: string | null | undefined; none?: string }) => (
  <span className={classes.clamp} title={text ?? undefined}>
    {text ?? none}
  </span>
);
