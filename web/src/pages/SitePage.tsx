import { Button } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { waitingCountQuery } from "@/api/approvals";
import { asProblem } from "@/api/problem";
import { useMay } from "@/api/session";
import { type Site, siteQuery, useDeleteSite, useUpdateSite } from "@/api/sites";
import { AutoApprovalPanel } from "@/features/sites/AutoApprovalPanel";
import { EnrolPanel } from "@/features/sites/EnrolPanel";
import { OnboardingPanel } from "@/features/sites/OnboardingPanel";
import { DeviceCount } from "@/features/sites/site-columns";
import { SiteForm } from "@/features/sites/SiteForm";
import { paths } from "@/lib/paths";
import { useIdParam } from "@/lib/use-id-param";
import { AppLink } from "@/ui/AppLink";
import { ConfirmDialog } from "@/ui/ConfirmDialog";
import { FactList } from "@/ui/FactList";
import { Icon } from "@/ui/icons";
import { Instant } from "@/ui/Instant";
import { PageHeader } from "@/ui/PageHeader";
import { ProblemAlert } from "@/ui/ProblemAlert";
import { Reading } from "@/ui/Reading";
import { PanelColumn, Panels, TitledPanel } from "@/ui/TitledPanel";

/** One site: how machines come in, what stands there, and its own data. */
const SitePage = () => {
  const site = useQuery(siteQuery(useIdParam("siteId")));
  if (site.error && !site.data) return <ProblemAlert problem={asProblem(site.error)} onRetry={() => void site.refetch()} />;
  if (!site.data) return <Reading what="the site" />;
  return <TheSite site={site.data} />;
};

const TheSite = ({ site }: { site: Site }) => {
  const [asked, setAsked] = useState<"edit" | "delete" | null>(null);
  const navigate = useNavigate();
  const write = useMay("sites:write");
  const decide = useMay("approvals:decide");
  const waiting = useQuery(waitingCountQuery(site.id)).data;
  const update = useUpdateSite(() => setAsked(null));
  const remove = useDeleteSite();
  const close = (): void => {
    update.reset();
    remove.reset();
    setAsked(null);
  };
  const jobs = useMay("jobs:write");
  const actions = (
    <>
      <span title={jobs.reason ?? undefined}>
        {jobs.allowed ? (
          <Button
            component={AppLink}
            to={paths.newJob({ kind: "onboarding", site: site.id })}
            leftSection={<Icon name="onboarding" size={14} />}
          >
            Onboard devices
          </Button>
        ) : (
          <Button disabled leftSection={<Icon name="onboarding" size={14} />}>
            Onboard devices
          </Button>
        )}
      </span>
      <Button
        variant="default"
        leftSection={<Icon name="edit" size={14} />}
        disabled={!write.allowed}
        title={write.reason ?? undefined}
        onClick={() => setAsked("edit")}
      >
        Edit…
      </Button>
      <Button
        variant="default"
        leftSection={<Icon name="delete" size={14} />}
        disabled={!write.allowed}
        title={write.reason ?? undefined}
        onClick={() => setAsked("delete")}
      >
        Delete…
      </Button>
    </>
  );
  const waits = waiting?.count ? `${waiting.count}${waiting.isMore ? " or more" : ""} waiting` : null;
  return (
    <>
      <PageHeader title={site.name} actions={actions}>
        {site.description || "A site"}
      </PageHeader>
      <Panels main>
        <PanelColumn>
          <OnboardingPanel siteId={site.id} />
          <EnrolPanel site={site} waiting={waits} mayDecide={decide} />
          <AutoApprovalPanel site={site} reason={decide.reason} />
        </PanelColumn>
        <TitledPanel title="About this site">
          <FactList
            facts={[
              { label: "Devices", value: <DeviceCount site={site} /> },
              {
                label: "Waiting",
                value: waits ? <AppLink to={paths.approvals({ site_id: site.id })}>{waits}</AppLink> : "nobody",
              },
              { label: "Time zone", value: site.timezone },
              { label: "Jobs", value: <AppLink to={paths.jobs({ site_id: site.id })}>those that reach it</AppLink> },
              { label: "Created", value: <Instant at={site.created_at} siteZone={site.timezone} /> },
              { label: "Changed", value: <Instant at={site.updated_at} siteZone={site.timezone} /> },
            ]}
          />
        </TitledPanel>
      </Panels>
      {asked === "edit" && (
        <SiteForm
          title={`Edit “${site.name}”`}
          submit="Save site"
          before={{ name: site.name, description: site.description, timezone: site.timezone }}
          busy={update.isPending}
          problem={update.error}
          onClose={close}
          onSubmit={(body) => update.mutate({ site, body })}
        />
      )}
      {asked === "delete" && (
        <ConfirmDialog
          opened
          danger
          title="Delete the site"
          confirm="Delete site"
          busy={remove.isPending}
          problem={remove.error}
          onClose={close}
          onConfirm={() => remove.mutate(site, { onSuccess: () => void navigate({ to: paths.sites() }) })}
        >
          “{site.name}” is deleted for good, and its enrolment code with it. A site that has devices or a history is kept.
        </ConfirmDialog>
      )}
    </>
  );
};

export default SitePage;
