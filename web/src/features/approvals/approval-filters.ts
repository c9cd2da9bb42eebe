import type { ApprovalsQuery } from "@/api/approvals";
import { oneOfOr, text, type Values, wholeNumber } from "@/lib/search-params";

export const APPROVAL_STATES = [
  { value: "pending", label: "Waiting" },
  { value: "approved", label: "Approved" },
  { value: "denied", label: "Denied" },
  { value: "expired", label: "Expired" },
] as const;

/** The state of the screen in its address; the names are those of the API's list. */
export const APPROVAL_FILTERS = {
  q: text(),
  state: oneOfOr(
    APPROVAL_STATES.map((one) => one.value),
    "pending",
  ),
  site_id: wholeNumber(),
};

export const queryOf = (state: Values<typeof APPROVAL_FILTERS>): ApprovalsQuery => ({
  q: state.q || undefined,
  state: state.state,
  site_id: state.site_id ?? undefined,
});
