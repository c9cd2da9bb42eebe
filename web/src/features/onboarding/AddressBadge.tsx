import type { Address } from "@/api/onboarding";
import { MarkBadge } from "@/ui/StateBadge";
import { addressMark } from "./address-words";

/** How an address stands. */
export const AddressBadge = ({ one, plain }: { one: Pick<Address, "state" | "reason" | "detail">; plain?: boolean }) => (
  <MarkBadge mark={addressMark(one)} detail={one.detail} plain={plain} />
);
