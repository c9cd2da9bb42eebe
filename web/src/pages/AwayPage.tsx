import { useInfiniteQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { outagesQuery } from "@/api/ledger";
import classes from "@/features/away/away.module.css";
import { GuardPanel } from "@/features/away/GuardPanel";
import { OutageList } from "@/features/away/OutageList";
import { OutageView } from "@/features/away/OutageView";
import { paths } from "@/lib/paths";
import { wholeNumber } from "@/lib/search-params";
import { useUrlState } from "@/lib/url-state";
import { EmptyState } from "@/ui/EmptyState";
import { PageHeader } from "@/ui/PageHeader";
import { ProblemAlert } from "@/ui/ProblemAlert";
import { Reading } from "@/ui/Reading";

const FIELDS = { outage: wholeNumber() };

/** Automation > While away: what was due while the Engine was away, and what becomes of what is held since. */
const AwayPage = () => {
  const [state] = useUrlState(FIELDS);
  const navigate = useNavigate();
  const outages = useInfiniteQuery(outagesQuery());
  const all = outages.data?.pages.flatMap((page) => page.items) ?? [];
  const chosen = state.outage ?? all[0]?.id ?? null;
  return (
    <>
      <PageHeader title="While away">
        What was due while the Engine was away or its clock was wrong, and a decision about what is held since.
      </PageHeader>
      <GuardPanel />
      {outages.isPending && <Reading what="outages" />}
      {outages.error && <ProblemAlert problem={outages.error} onRetry={() => void outages.refetch()} />}
      {outages.data && chosen === null && (
        <div className="wb-panel">
          <EmptyState icon="away" title="The Engine has not been away.">
            Should it ever be, this page says what was due meanwhile, and asks what is to become of it.
          </EmptyState>
        </div>
      )}
      {chosen !== null && (
        <div className={classes.layout}>
          <OutageList query={outages} chosen={chosen} />
          <OutageView key={chosen} outageId={chosen} onOpen={(jobId) => void navigate({ to: paths.job(jobId) })} />
        </div>
      )}
    </>
  );
};

export default AwayPage;
