import { useQuery } from "@tanstack/react-query";
import { assemblyQuery } from "@/api/assemblies";
import { Webhooks } from "@/features/webhooks/Webhooks";
import classes from "@/features/workflow-run/workflow-run.module.css";
import { paths } from "@/lib/paths";
import { useTextParam } from "@/lib/use-id-param";
import { AppLink } from "@/ui/AppLink";
import { PageHeader } from "@/ui/PageHeader";
import { ProblemAlert } from "@/ui/ProblemAlert";

/** `/assemblies/:id/webhooks`: what launches a workflow from outside. */
const WebhooksPage = () => {
  const id = useTextParam("assemblyId");
  const { data, error, refetch } = useQuery(assemblyQuery(id));
  return (
    <>
      <PageHeader title={`Webhooks of ${data?.name ?? "a workflow"}`}>
        <AppLink to={paths.assembly(id)} className={classes.link}>
          The workflow
        </AppLink>
        {" · "}
        <AppLink to={paths.workflowRuns(id)} className={classes.link}>
          Its runs
        </AppLink>
      </PageHeader>
      {error && <ProblemAlert problem={error} onRetry={() => void refetch()} />}
      {data && <Webhooks workflowId={id} hasTrigger={data.workflow?.nodes.some((one) => one.type === "trigger_webhook") ?? false} />}
    </>
  );
};

export default WebhooksPage;
