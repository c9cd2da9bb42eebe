import { paths } from "@/lib/paths";
import { AppLink } from "@/ui/AppLink";
import { EmptyState } from "@/ui/EmptyState";
import { PageHeader } from "@/ui/PageHeader";

/** An address that leads nowhere. */
export const NotFoundPage = () => (
  <>
    <PageHeader title="Not found" />
    <div className="wb-panel">
      <EmptyState
        icon="search"
        title="There is no page at this address."
        action={
          <AppLink to={paths.home()} style={{ textDecoration: "underline" }}>
            To the scheduled jobs
          </AppLink>
        }
      >
        The thing may have been deleted, or the address was cut off.
      </EmptyState>
    </div>
  </>
);
