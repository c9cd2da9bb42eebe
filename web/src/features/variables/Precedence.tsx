import { paths } from "@/lib/paths";
import { AppLink } from "@/ui/AppLink";
import classes from "./variables.module.css";

/** Which of several values of one name a script is given. */
export const Precedence = () => (
  <>
    A script is given the variables that its assembly declares. Of several values of one name, the first of these counts:
    <ol className={classes.order}>
      <li>the job’s own</li>
      <li>its device’s</li>
      <li>its site’s</li>
      <li>everything’s</li>
      <li>
        <span>
          the default of the{" "}
          <AppLink to={paths.assemblies()} style={{ textDecoration: "underline" }}>
            assembly
          </AppLink>
        </span>
      </li>
    </ol>
  </>
);
