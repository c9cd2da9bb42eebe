import type { ReactNode } from "react";
import { Icon, type IconName } from "./icons";
import classes from "./ui.module.css";

interface EmptyStateProps {
  icon?: IconName;
  title: string;
  /** What to do next. */
  children?: ReactNode;
  action?: ReactNode;
}

/** Nothing to show, and what to do next. */
export const EmptyState = ({ icon, title, children, action }: EmptyStateProps) => (
  <div className={classes.empty}>
    {icon && (
      <span className={classes.dim}>
        <Icon name={icon} size={30} />
      </span>
    )}
    <strong>{title}</strong>
    {children && <div className={classes.dim}>{children}</div>}
    {action}
  </div>
);
