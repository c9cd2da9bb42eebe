import { Loader } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { assemblyQuery } from "@/api/assemblies";
import { useMay } from "@/api/session";
import { AssemblyEditor } from "@/features/assemblies/AssemblyEditor";
import { draftOf } from "@/features/assemblies/draft";
import classes from "@/features/workflow-run/workflow-run.module.css";
import { paths } from "@/lib/paths";
import { oneOfOr, wholeNumber } from "@/lib/search-params";
import { useUrlState } from "@/lib/url-state";
import { useTextParam } from "@/lib/use-id-param";
import { isWorkflow, RunWorkflowButton } from "@/pages/RunWorkflow";
import { AppLink } from "@/ui/AppLink";
import { PageHeader } from "@/ui/PageHeader";
import { ProblemAlert } from "@/ui/ProblemAlert";
import { WithWorkflows } from "./workflow-parts";

const STATE = { tab: oneOfOr(["edit", "revisions", "jobs"], "edit"), from: wholeNumber(), to: wholeNumber() };

/** Automation > Assemblies > one of them. */
const AssemblyPage = () => {
  const assemblyId = useTextParam("assemblyId");
  const [state, setState] = useUrlState(STATE);
  const may = useMay("assemblies:write");
  const asked = useQuery(assemblyQuery(assemblyId));
  if (asked.data)
    return (
      <WithWorkflows>
        {isWorkflow(asked.data) && (
          <div className={classes.strip}>
            <AppLink to={paths.workflowRuns(asked.data.id)} className={classes.link}>
              Its runs
            </AppLink>
            <AppLink to={paths.webhooks(asked.data.id)} className={classes.link}>
              Its webhooks
            </AppLink>
            <RunWorkflowButton workflow={asked.data} />
          </div>
        )}
        <AssemblyEditor
          key={asked.data.id}
          saved={asked.data}
          initial={draftOf(asked.data)}
          refused={may.reason}
          tab={state.tab}
          onTab={(tab) => setState({ tab })}
          compared={state}
          onCompare={(compared) => setState({ ...compared, tab: "revisions" })}
        />
      </WithWorkflows>
    );
  return (
    <>
      <PageHeader title="Assembly" />
      {asked.error ? (
        <ProblemAlert problem={asked.error} onRetry={() => void asked.refetch()} />
      ) : (
        <Loader size="sm" aria-label="Reading the assembly" />
      )}
    </>
  );
};

export default AssemblyPage;
