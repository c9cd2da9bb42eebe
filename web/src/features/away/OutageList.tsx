import { Button } from "@mantine/core";
import type { UseInfiniteQueryResult } from "@tanstack/react-query";
import type { Outage } from "@/api/ledger";
import { paths } from "@/lib/paths";
import { AppLink } from "@/ui/AppLink";
import { Instant } from "@/ui/Instant";
import classes from "./away.module.css";
import { KINDS } from "./outage-words";

type Listed = UseInfiniteQueryResult<{ pages: { items: Outage[] }[] }>;

const GUARDS: Readonly<Record<Outage["guard"], string>> = {
  up: "Storm guard is up",
  released: "All decided",
  down: "",
};

/** What went wrong with time, newest first; one is looked at. */
export const OutageList = ({ query, chosen }: { query: Listed; chosen: number | null }) => (
  <nav className={`wb-panel ${classes.list}`} aria-label="Outages">
    {query.data?.pages
      .flatMap((page) => page.items)
      .map((one) => (
        <AppLink
          key={one.id}
          to={paths.away({ outage: one.id })}
          className={classes.outage}
          aria-current={one.id === chosen ? "true" : undefined}
        >
          <strong>{KINDS[one.kind] ?? one.kind}</strong>
          <div className={classes.when}>
            <Instant at={one.to_at} />
          </div>
          {GUARDS[one.guard] && <div className={classes.when}>{GUARDS[one.guard]}</div>}
        </AppLink>
      ))}
    {query.hasNextPage && (
      <Button
        variant="subtle"
        color="gray"
        fullWidth
        loading={query.isFetchingNextPage}
        onClick={() => void query.fetchNextPage()}
      >
        Earlier ones
      </Button>
    )}
  </nav>
);
