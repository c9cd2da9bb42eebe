import { Button, Switch } from "@mantine/core";
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { allOperatorsQuery } from "@/api/operators";
import { useMay, useSession } from "@/api/session";
import { type ApiToken, tokensQuery, useRevokeToken } from "@/api/tokens";
import { NewTokenDialog } from "@/features/tokens/NewTokenDialog";
import { tokenColumns } from "@/features/tokens/token-columns";
import { flag } from "@/lib/search-params";
import { useUrlState } from "@/lib/url-state";
import { ConfirmDialog } from "@/ui/ConfirmDialog";
import { DataTable } from "@/ui/DataTable";
import { EmptyState } from "@/ui/EmptyState";
import { Icon } from "@/ui/icons";
import { IconAction } from "@/ui/IconAction";
import { PageHeader } from "@/ui/PageHeader";

const STATE = { all: flag() };

/** Settings > API Tokens: what scripts and the command line sign in with. */
const TokensPage = () => {
  const [state, setState] = useUrlState(STATE);
  const [isNew, setNew] = useState(false);
  const [asked, setAsked] = useState<ApiToken | null>(null);
  const session = useSession();
  const manages = useMay("operators:write").allowed;
  const all = manages && state.all === true;
  const list = useInfiniteQuery(tokensQuery(all));
  const owners = useQuery({ ...allOperatorsQuery(), enabled: all }).data;
  const columns = useMemo(() => tokenColumns(all ? (owners ?? []) : null), [all, owners]);
  const revoke = useRevokeToken();
  const close = (): void => {
    revoke.reset();
    setAsked(null);
  };
  const create = (
    <Button leftSection={<Icon name="add" size={14} />} onClick={() => setNew(true)}>
      New Token
    </Button>
  );
  return (
    <>
      <PageHeader
        title="API Tokens"
        actions={
          <>
            {manages && (
              <Switch
                label="Everybody’s"
                checked={all}
                onChange={(event) => setState({ all: event.currentTarget.checked ? true : null })}
              />
            )}
            {create}
          </>
        }
      >
        For scripts and the command line. A token never may more than its owner at that moment.
      </PageHeader>
      <DataTable
        label="API tokens"
        query={list}
        columns={columns}
        rowId={(one) => String(one.id)}
        rowName={(one) => one.name}
        empty={
          <EmptyState icon="token" title={all ? "There is no token yet." : "You have no token yet."} action={create}>
            Make one for whatever is to use the API in your name.
          </EmptyState>
        }
        actions={(one) => (
          <IconAction
            label={`Revoke ${one.name}`}
            icon="delete"
            reason={one.revoked_at ? "It is revoked already." : null}
            onClick={() => setAsked(one)}
          />
        )}
      />
      {isNew && session && <NewTokenDialog permissions={session.permissions} onClose={() => setNew(false)} />}
      <ConfirmDialog
        opened={asked !== null}
        danger
        title="Revoke the token"
        confirm="Revoke token"
        busy={revoke.isPending}
        problem={revoke.error}
        onClose={close}
        onConfirm={() => asked && revoke.mutate(asked, { onSuccess: close })}
      >
        “{asked?.name}” stops working at once, and for good.
      </ConfirmDialog>
    </>
  );
};

export default TokensPage;
