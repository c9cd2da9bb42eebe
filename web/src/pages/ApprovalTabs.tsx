import { useQuery } from "@tanstack/react-query";
import { workflowApprovalsQuery } from "@/api/workflow-runs";
import classes from "@/features/approvals/approvals.module.css";
import { paths } from "@/lib/paths";
import { AppLink } from "@/ui/AppLink";

/** The two kinds of approvals, and how many workflows wait. */
export const ApprovalTabs = ({ kind }: { kind: "devices" | "workflows" }) => {
  const { data } = useQuery(workflowApprovalsQuery());
  const number = data?.items.length ?? 0;
  return (
    <nav className={classes.kinds} aria-label="Kinds of approvals">
      <AppLink to={paths.approvals()} className={classes.kind} aria-current={kind === "devices" ? "page" : undefined}>
        Machines
      </AppLink>
      <AppLink
        to={paths.approvals({ kind: "workflows" })}
        className={classes.kind}
        aria-current={kind === "workflows" ? "page" : undefined}
      >
        Workflows{number > 0 ? ` · ${number.toLocaleString("en")}` : ""}
      </AppLink>
    </nav>
  );
};
