import type { ReactNode } from "react";
import classes from "./panel.module.css";

export interface Fact {
  label: string;
  value: ReactNode;
}

/** What is known of a thing, line by line. What is not known is a dash. */
export const FactList = ({ facts }: { facts: readonly Fact[] }) => (
  <dl className={classes.facts}>
    {facts.map(({ label, value }) => (
      <div key={label}>
        <dt>{label}</dt>
        <dd>{value === null || value === undefined || value === "" ? "–" : value}</dd>
      </div>
    ))}
  </dl>
);
