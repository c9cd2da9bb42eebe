import { Button } from "@mantine/core";
import { useMemo } from "react";
import type { Can } from "@/api/can";
import type { Address } from "@/api/onboarding";
import { DataTable, type DataTableProps } from "@/ui/DataTable";
import { EmptyState } from "@/ui/EmptyState";
import { IconAction } from "@/ui/IconAction";
import { addressColumns } from "./address-columns";
import { type AddressesState, isFiltered } from "./address-filters";
import { nameOf } from "./address-words";
import type { AddressCommand } from "./AddressPanel";
import classes from "./onboarding.module.css";

interface AddressesProps {
  query: DataTableProps<Address>["query"];
  state: AddressesState;
  mayDecide: Can;
  selected: ReadonlySet<string>;
  onSelect: (selected: ReadonlySet<string>) => void;
  onOpen: (one: Address) => void;
  onCommand: (command: AddressCommand, one: Address) => void;
  onClear: () => void;
  /** Whether somebody is at the rows: they are left where they are meanwhile. */
  onHeld: (isHeld: boolean) => void;
}

/** The addresses of an occurrence in the order of the scope. */
export const Addresses = (props: AddressesProps) => {
  const { query, state, mayDecide, onOpen, onCommand, onHeld } = props;
  const isNarrow = state.target !== null;
  const columns = useMemo(() => addressColumns(onOpen, state.target, isNarrow), [onOpen, state.target, isNarrow]);
  const ifWaiting = (command: "approve" | "deny") => (one: Address) =>
    one.state === "waiting_approval" && onCommand(command, one);
  return (
    <div className={classes.held} onPointerEnter={() => onHeld(true)} onPointerLeave={() => onHeld(false)}>
      <DataTable
        label="Addresses"
        query={query}
        columns={columns}
        rowId={(one) => String(one.id)}
        rowName={nameOf}
        selected={props.selected}
        onSelect={props.onSelect}
        onOpen={onOpen}
        rowKeys={
          mayDecide.allowed
            ? [
                { keys: "a", does: "Approve the machine", run: ifWaiting("approve") },
                { keys: "d", does: "Deny the machine", run: ifWaiting("deny") },
              ]
            : []
        }
        actions={
          isNarrow
            ? undefined
            : (one) =>
                // the timeline beside it has the same
                one.state === "waiting_approval" && (
                  <>
                    <IconAction
                      label={`Approve ${nameOf(one)}`}
                      icon="approval"
                      reason={mayDecide.reason}
                      onClick={() => onCommand("approve", one)}
                    />
                    <IconAction
                      label={`Deny ${nameOf(one)}`}
                      icon="cancelled"
                      reason={mayDecide.reason}
                      onClick={() => onCommand("deny", one)}
                    />
                  </>
                )
        }
        empty={
          isFiltered(state) ? (
            <EmptyState
              icon="search"
              title="No address is like that."
              action={
                <Button variant="default" onClick={props.onClear}>
                  Clear filters
                </Button>
              }
            />
          ) : (
            <EmptyState icon="onboarding" title="No address is known yet.">
              They appear as soon as the site’s worker has read the scope.
            </EmptyState>
          )
        }
      />
    </div>
  );
};
