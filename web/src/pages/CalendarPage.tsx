import { ActionIcon, Button, SegmentedControl } from "@mantine/core";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { calendarQuery } from "@/api/calendar";
import { useSites } from "@/api/sites";
import { AgendaView } from "@/features/ledger/AgendaView";
import { beginningOf, dateIn, isDate, moved, type Shown, shownBy, titleOf, VIEWS } from "@/features/calendar/calendar-dates";
import classes from "@/features/calendar/calendar.module.css";
import { DayGrid } from "@/features/calendar/DayGrid";
import { HourList } from "@/features/calendar/HourList";
import { LoadTable } from "@/features/calendar/LoadTable";
import { JobPicker } from "@/features/pickers/JobPicker";
import { useKeys } from "@/lib/keys";
import { oneOfOr, text, type Values, wholeNumber } from "@/lib/search-params";
import { zoneName } from "@/lib/time";
import { useNow } from "@/lib/use-now";
import { useUrlState } from "@/lib/url-state";
import { useZone } from "@/lib/zone";
import { EmptyState } from "@/ui/EmptyState";
import { FilterBar, FilterSelect } from "@/ui/FilterBar";
import { PageHeader } from "@/ui/PageHeader";
import { ProblemAlert } from "@/ui/ProblemAlert";
import { Reading } from "@/ui/Reading";

const FIELDS = {
  view: oneOfOr(
    VIEWS.map((one) => one.value),
    "month",
  ),
  date: text(),
  days: wholeNumber(),
  q: text(),
  job_id: wholeNumber(),
  site_id: wholeNumber(),
};
type State = Values<typeof FIELDS>;
const USUAL_DAYS = 7;
const MOST_DAYS = 62;

/** Automation > Calendar: what ran and what is to come on one axis, with the load of sites and the windows below. */
const CalendarPage = () => {
  const [state, setState] = useUrlState(FIELDS);
  const sites = useSites();
  const site = sites.find((one) => one.id === state.site_id);
  const zone = useZone(site?.timezone);
  const now = useNow();
  const today = dateIn(zone, now);
  const date = isDate(state.date) ? state.date : today;
  const days = Math.min(Math.max(state.days ?? USUAL_DAYS, 1), MOST_DAYS);
  const shown = shownBy(state.view, date, days);
  const isFiltered = Boolean(state.q) || state.job_id !== null || state.site_id !== null;
  const go = (to: string): void => setState({ date: to === today ? "" : to });
  const move = (way: 1 | -1): void => go(moved(state.view, date, days, way));
  useKeys([
    { keys: "[", does: "Before", group: "Calendar", run: () => move(-1) },
    { keys: "]", does: "After", group: "Calendar", run: () => move(1) },
    { keys: "t", does: "Today", group: "Calendar", run: () => go(today) },
    ...VIEWS.map(({ value, label }) => ({
      keys: label.charAt(0).toLowerCase(),
      does: label,
      group: "Calendar",
      run: () => setState({ view: value }),
    })),
  ]);
  return (
    <>
      <PageHeader title="Calendar" />
      <div className={classes.bar}>
        <SegmentedControl
          size="xs"
          aria-label="What is shown"
          data={[...VIEWS]}
          value={state.view}
          onChange={(value) => setState({ view: VIEWS.find((one) => one.value === value)?.value ?? "month" })}
        />
        <Button variant="default" onClick={() => go(today)}>
          Today
        </Button>
        <ActionIcon aria-label="Before" variant="default" onClick={() => move(-1)}>
          ‹
        </ActionIcon>
        <ActionIcon aria-label="After" variant="default" onClick={() => move(1)}>
          ›
        </ActionIcon>
        <h2 className={classes.title} aria-live="polite">
          {titleOf(state.view, date, days)}
        </h2>
        <span className={classes.zone}>
          {zone} ({zoneName(zone, beginningOf(date, zone))})
        </span>
      </div>
      <FilterBar
        q={state.q}
        onSearch={(q) => setState({ q })}
        placeholder="Find a job by its name"
        onClear={isFiltered ? () => setState({ q: "", job_id: null, site_id: null }) : undefined}
      >
        <JobPicker label="Any job" value={state.job_id} onChange={(job_id) => setState({ job_id })} />
        <FilterSelect
          label="Any site"
          value={state.site_id === null ? null : String(state.site_id)}
          options={sites.map((one) => ({ value: String(one.id), label: one.name }))}
          onChange={(id) => setState({ site_id: id === null ? null : Number(id) })}
        />
      </FilterBar>
      {state.view === "agenda" ? (
        <AgendaView
          query={{
            q: state.q || undefined,
            job_id: state.job_id ?? undefined,
            site_id: state.site_id ?? undefined,
            from: beginningOf(shown.first, zone).toISOString(),
            // Up to the last instant before the end, which belongs to the next day.
            to: new Date(beginningOf(shown.end, zone).getTime() - 1).toISOString(),
          }}
        />
      ) : (
        <Overview state={state} shown={shown} zone={zone} today={today} now={now} date={date} sites={sites} />
      )}
    </>
  );
};

interface OverviewProps {
  state: State;
  shown: Shown;
  zone: string;
  today: string;
  now: Date;
  date: string;
  sites: ReturnType<typeof useSites>;
}

const Overview = ({ state, shown, zone, today, now, date, sites }: OverviewProps) => {
  const { data, error, refetch } = useQuery({
    ...calendarQuery({
      from: beginningOf(shown.first, zone).toISOString(),
      to: beginningOf(shown.end, zone).toISOString(),
      step: shown.step,
      timezone: zone,
      jobs: shown.jobs,
      q: state.q || undefined,
      job_id: state.job_id ?? undefined,
      site_id: state.site_id ?? undefined,
    }),
    placeholderData: keepPreviousData,
  });
  if (error && !data) return <ProblemAlert problem={error} onRetry={() => void refetch()} />;
  if (!data) return <Reading what="the calendar" />;
  const filters = { job_id: state.job_id, site_id: state.site_id, q: state.q };
  const isEmpty = data.stretches.every((one) => one.number === 0);
  return (
    <>
      {error && <ProblemAlert problem={error} onRetry={() => void refetch()} />}
      {data.left_out > 0 && (
        <p className={classes.note}>
          There are so many jobs that what is to come of {data.left_out.toLocaleString("en")} of them is not in here: look at
          less, by a site or a name.
        </p>
      )}
      {data.is_capped && (
        <p className={classes.note}>More has happened than is counted here, and the latest of it is missing: look at less.</p>
      )}
      {data.unsized > 0 && (
        <p className={classes.note}>The load lacks the coming devices of {data.unsized.toLocaleString("en")} jobs.</p>
      )}
      {isEmpty && (
        <div className="wb-panel" style={{ flex: "none", marginBottom: "0.75rem" }}>
          <EmptyState icon="calendar" title="Nothing ran or is to run in this time.">
            Look at another time{state.q || state.job_id !== null || state.site_id !== null ? ", or clear the filters" : ""}.
          </EmptyState>
        </div>
      )}
      {shown.step === "hour" ? (
        <HourList stretches={data.stretches} zone={zone} date={date} now={now} filters={filters} />
      ) : (
        <DayGrid
          stretches={data.stretches}
          zone={zone}
          today={today}
          month={state.view === "month" ? date.slice(0, 7) : undefined}
          filters={filters}
        />
      )}
      <LoadTable
        stretches={data.stretches}
        zone={zone}
        step={shown.step}
        siteId={state.site_id}
        siteName={(id) => (id === null ? "Without a site" : (sites.find((one) => one.id === id)?.name ?? `Site ${id}`))}
      />
    </>
  );
};

export default CalendarPage;
