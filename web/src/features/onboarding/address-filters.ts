import type { AddressReason, AddressSource, AddressState } from "@/api/onboarding";
import { someOf, text, type Values, wholeNumber } from "@/lib/search-params";
import { ADDRESS_REASONS, ADDRESS_STATES } from "./address-words";

/** The state of the list of addresses in its URL. */
export const ADDRESS_FILTERS = {
  occurrence: text(),
  state: someOf<AddressState>(ADDRESS_STATES),
  reason: someOf<AddressReason>(ADDRESS_REASONS),
  q: text(),
  /** The row whose timeline is shown. */
  target: wholeNumber(),
};
export type AddressesState = Values<typeof ADDRESS_FILTERS>;

export const sourceOf = (jobId: number, occurrenceId: string, { state, reason, q }: AddressesState): AddressSource => ({
  jobId,
  occurrenceId,
  state,
  reason,
  q,
});

export const NO_FILTER = { state: [], reason: [], q: "" } satisfies Partial<AddressesState>;
export const isFiltered = ({ state, reason, q }: AddressesState): boolean => state.length > 0 || reason.length > 0 || q !== "";
