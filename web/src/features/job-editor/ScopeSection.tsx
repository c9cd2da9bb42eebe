import { Select } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { scopeQuery } from "@/api/onboarding";
import type { FieldProblem } from "@/api/problem";
import { useSites } from "@/api/sites";
import { linesOf, type OnboardingDraft } from "./onboarding-form";
import { ScopeText } from "./ScopeText";
import { totalInWords } from "./scope-words";
import classes from "./scope.module.css";
import { Section } from "./Section";
import { Fault } from "./TargetsSection";
import type { JobForm } from "./use-job-form";

export interface OnboardingSectionProps {
  form: JobForm;
  onboarding: OnboardingDraft;
  problems: readonly FieldProblem[];
}

const REST_MILLISECONDS = 250;
const EXAMPLE = "10.4.0.0/24\n10.4.1.10-40\nprinter.harbour.example:2222  # a port of its own";

/** At which site, and at which addresses of its network, machines are looked for; what each line comes to is told as one types. */
export const ScopeSection = ({ form, onboarding, problems }: OnboardingSectionProps) => {
  const { set, fault } = form;
  const sites = useSites();
  const { site_id, entries, exclusions } = onboarding;
  const put = (patch: Partial<OnboardingDraft>): void => set({ onboarding: { ...onboarding, ...patch } });
  const texts = useMemo(() => ({ entries: linesOf(entries), exclusions: linesOf(exclusions) }), [entries, exclusions]);
  const [rested] = useDebouncedValue(texts, REST_MILLISECONDS);
  const { data } = useQuery({ ...scopeQuery(rested.entries, rested.exclusions), placeholderData: keepPreviousData });
  const faultAt = (field: string) => (place: number) => fault(`targets.0.${field}.${place}`, true);
  return (
    <Section
      id="targets"
      title="Where to look"
      problems={problems}
      about="Addresses, ranges, networks and host names, one or more on a line; # begins a comment. Every one of them gets a row that says what became of it."
    >
      <Select
        label="Site"
        description="Its worker looks there, and what is found becomes devices of it."
        withAsterisk
        searchable
        placeholder="Choose the site"
        nothingFoundMessage="No site is called so."
        data={sites.map((one) => ({ value: String(one.id), label: one.name }))}
        value={site_id === null ? null : String(site_id)}
        allowDeselect={false}
        onChange={(id) => id !== null && put({ site_id: Number(id) })}
        error={fault("targets.0.site_id") ?? fault("targets")}
      />
      <ScopeText
        label="Addresses"
        description="Such as 10.4.0.0/24, 10.4.0.10-40, fd00::1, web.harbour.example or 10.4.0.9:2222."
        isRequired
        placeholder={EXAMPLE}
        value={entries}
        onChange={(value) => put({ entries: value })}
        told={data?.entries ?? []}
        faultAt={faultAt("entries")}
        error={fault("targets.0.entries")}
      />
      <ScopeText
        label="Left out"
        description="Never touched, on whatever port: written in the same way."
        value={exclusions}
        onChange={(value) => put({ exclusions: value })}
        told={data?.exclusions ?? []}
        faultAt={faultAt("exclusions")}
        error={fault("targets.0.exclusions")}
      />
      {data && (entries.trim() !== "" || exclusions.trim() !== "") && (
        <p className={classes.total} data-tone={data.count > data.most ? "bad" : undefined} role="status">
          {totalInWords(data)}
        </p>
      )}
      <Fault text={fault("targets.0")} />
    </Section>
  );
};
