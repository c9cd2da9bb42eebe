import type { AddressCount } from "@/api/onboarding";
import { paths } from "@/lib/paths";
import { AppLink } from "@/ui/AppLink";
import { Icon } from "@/ui/icons";
import ui from "@/ui/ui.module.css";
import type { AddressesState } from "./address-filters";
import { addressMark, countsInOrder } from "./address-words";
import classes from "./onboarding.module.css";

interface AddressCountsProps {
  jobId: number;
  counts: readonly AddressCount[];
  state: AddressesState;
}

/** How many addresses ended how: a bar of shares, and chips that narrow the list; pressed again, they widen it. */
export const AddressCounts = ({ jobId, counts, state }: AddressCountsProps) => {
  const told = countsInOrder(counts);
  const total = told.reduce((sum, one) => sum + one.number, 0);
  if (total === 0) return <span className={ui.dim}>No address is known yet: the site’s worker is about to read the scope.</span>;
  const isChosen = (one: AddressCount): boolean =>
    state.state.length === 1 &&
    state.state[0] === one.state &&
    (one.reason === null ? state.reason.length === 0 : state.reason.length === 1 && state.reason[0] === one.reason);
  const linkOf = (one: AddressCount): string =>
    paths.jobRun(jobId, state.occurrence || undefined, {
      ...(isChosen(one) ? {} : { state: one.state, reason: one.reason }),
      q: state.q,
      target: state.target,
    });
  return (
    <div>
      <div className={ui.shares} aria-hidden="true">
        {told.map((one) => (
          <span
            key={`${one.state} ${one.reason ?? ""}`}
            data-tone={addressMark(one).tone}
            style={{ flexGrow: Math.max(one.number / total, 0.004) }}
          />
        ))}
      </div>
      <nav className={`${ui.counts} ${classes.chips}`} aria-label="Addresses by what became of them">
        {told.map((one) => {
          const { word, icon, tone } = addressMark(one);
          return (
            <AppLink
              key={`${one.state} ${one.reason ?? ""}`}
              to={linkOf(one)}
              className={ui.count}
              data-tone={tone}
              aria-current={isChosen(one) ? "true" : undefined}
            >
              <Icon name={icon} size={13} />
              <span>{one.number.toLocaleString("en")}</span>
              <span> {word}</span>
            </AppLink>
          );
        })}
      </nav>
    </div>
  );
};
