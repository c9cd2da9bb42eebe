import { Button } from "@mantine/core";
import { keepPreviousData, useInfiniteQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { searchQuery } from "@/api/search";
import { HIT_COLUMNS, linkOf } from "@/features/search/hit-columns";
import { HowFound } from "@/features/search/HowFound";
import { isFiltered, NO_FILTER, queryOf, SEARCH_FILTERS } from "@/features/search/search-filters";
import { SearchFilterBar } from "@/features/search/SearchFilterBar";
import classes from "@/features/search/search.module.css";
import { useUrlState } from "@/lib/url-state";
import { DataTable } from "@/ui/DataTable";
import { EmptyState } from "@/ui/EmptyState";
import { PageHeader } from "@/ui/PageHeader";

/** Search: which devices once wrote something, with the way to the row and its output. */
const SearchPage = () => {
  const [state, setState] = useUrlState(SEARCH_FILTERS);
  const navigate = useNavigate();
  const isAsked = state.q.trim() !== "";
  const hits = useInfiniteQuery({
    ...searchQuery(queryOf(state)),
    enabled: isAsked,
    placeholderData: keepPreviousData,
    retry: false,
  });
  return (
    <>
      <PageHeader title="Search Output" />
      <SearchFilterBar state={state} onChange={setState} />
      {isAsked ? (
        <>
          <details className={classes.help}>
            <summary>How words are found</summary>
            <HowFound />
          </details>
          <DataTable
            label="Outputs"
            query={hits}
            columns={HIT_COLUMNS}
            rowId={(hit) => hit.execution_id}
            rowName={(hit) => hit.hostname}
            onOpen={(hit) => void navigate({ to: linkOf(hit) })}
            empty={
              <EmptyState
                icon="search"
                title="No output has that."
                action={
                  isFiltered(state) ? (
                    <Button variant="default" onClick={() => setState(NO_FILTER)}>
                      Clear filters
                    </Button>
                  ) : null
                }
              >
                Fewer words find more; <code>err*</code> finds words that begin so.
              </EmptyState>
            }
          />
        </>
      ) : (
        <div className="wb-panel">
          <EmptyState icon="search" title="What did a script write?">
            Type words above; they are looked for in the output of every run that you see.
            <HowFound />
          </EmptyState>
        </div>
      )}
    </>
  );
};

export default SearchPage;
