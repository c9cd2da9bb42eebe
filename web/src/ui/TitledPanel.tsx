import { type ReactNode, useId } from "react";
import classes from "./panel.module.css";

interface TitledPanelProps {
  title: string;
  /** Beside the title, at the right. */
  actions?: ReactNode;
  /** Without room around what is within: for tables and lists that reach the edge. */
  flush?: boolean;
  children: ReactNode;
}

/** A part of a page with a heading of its own. */
export const TitledPanel = ({ title, actions, flush = false, children }: TitledPanelProps) => {
  const id = useId();
  return (
    <section className={`wb-panel ${classes.panel}`} aria-labelledby={id}>
      <div className={classes.head}>
        <h2 id={id}>{title}</h2>
        {actions && <div className={classes.actions}>{actions}</div>}
      </div>
      <div className={classes.body} data-flush={flush}>
        {children}
      </div>
    </section>
  );
};

/** Panels beside one another where there is room. `main`: the first is wider. */
export const Panels = ({ children, main = false }: { children: ReactNode; main?: boolean }) => (
  <div className={classes.panels} data-main={main}>
    {children}
  </div>
);

/** Panels below one another: a column of `Panels`. */
export const PanelColumn = ({ children }: { children: ReactNode }) => <div className={classes.column}>{children}</div>;
