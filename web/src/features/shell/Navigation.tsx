import { AppLink } from "@/ui/AppLink";
import { Icon } from "@/ui/icons";
import { GROUPS, type NavEntry } from "./nav";
import classes from "./shell.module.css";

/** The screens in their groups; the one that is shown is marked, as are the pages below it. */
export const Navigation = ({ nav, path }: { nav: readonly NavEntry[]; path: string }) => (
  <nav aria-label="Screens" className={classes.nav}>
    {GROUPS.map((group) => {
      const entries = nav.filter((one) => one.group === group);
      if (entries.length === 0) return null;
      return (
        <div key={group} role="group" aria-label={group}>
          <div className={classes.group} aria-hidden="true">
            {group}
          </div>
          {entries.map((one) => {
            const isHere = path === one.to || path.startsWith(`${one.to}/`);
            return (
              <AppLink key={one.to} to={one.to} className={classes.entry} aria-current={isHere ? "page" : undefined}>
                <Icon name={one.icon} />
                {one.label}
              </AppLink>
            );
          })}
        </div>
      );
    })}
  </nav>
);
