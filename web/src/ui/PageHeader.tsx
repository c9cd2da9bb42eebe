import { Group } from "@mantine/core";
import { type ReactNode, useEffect } from "react";
import classes from "./ui.module.css";

interface PageHeaderProps {
  title: string;
  /** Beside the title: a state, a count. */
  beside?: ReactNode;
  /** A line below the title. */
  children?: ReactNode;
  actions?: ReactNode;
}

/** The head of every page; also the title of the browser's tab. */
export const PageHeader = ({ title, beside, children, actions }: PageHeaderProps) => {
  useEffect(() => {
    document.title = `${title} · Watchbill`;
  }, [title]);
  return (
    <div className={classes.header}>
      <div style={{ minWidth: 0 }}>
        <Group gap="sm" wrap="wrap">
          <h1>{title}</h1>
          {beside}
        </Group>
        {children && <div className={classes.dim}>{children}</div>}
      </div>
      {actions && <Group gap="xs">{actions}</Group>}
    </div>
  );
};
