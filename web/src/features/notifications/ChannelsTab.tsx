import { Alert, Button } from "@mantine/core";
import { useInfiniteQuery } from "@tanstack/react-query";
import { useState } from "react";
import { type Channel, channelsQuery, useArchiveChannel, useTestChannel } from "@/api/notifications";
import { useMay } from "@/api/session";
import { ConfirmDialog } from "@/ui/ConfirmDialog";
import { DataTable } from "@/ui/DataTable";
import { EmptyState } from "@/ui/EmptyState";
import { IconAction } from "@/ui/IconAction";
import { Icon } from "@/ui/icons";
import { ChannelDialog } from "./ChannelDialog";
import { channelColumns } from "./notification-columns";

/** The channels, each with a way to try it out. */
export const ChannelsTab = ({ siteName }: { siteName: (id: number) => string }) => {
  const channels = useInfiniteQuery(channelsQuery());
  const { allowed, reason } = useMay("channels:write");
  const [opened, setOpened] = useState<Channel | "new" | null>(null);
  const [toArchive, setToArchive] = useState<Channel | null>(null);
  const test = useTestChannel();
  const archive = useArchiveChannel();
  const add = allowed && (
    <Button leftSection={<Icon name="add" size={14} />} onClick={() => setOpened("new")}>
      New Channel
    </Button>
  );
  return (
    <>
      {add && <div style={{ marginBottom: "0.6rem" }}>{add}</div>}
      {test.data && (
        <Alert
          color={test.data.ok ? "teal" : "red"}
          variant="light"
          mb="sm"
          withCloseButton
          closeButtonLabel="Close"
          onClose={() => test.reset()}
          title={`Test of “${test.variables.name}”`}
          role="status"
        >
          {test.data.sentence}
        </Alert>
      )}
      <DataTable
        label="Channels"
        query={channels}
        columns={channelColumns(siteName)}
        rowId={(one) => String(one.id)}
        rowName={(one) => one.name}
        empty={
          <EmptyState icon="notification" title="There is no channel yet." action={add}>
            A channel is where notifications are sent: a webhook, or people by e-mail. {allowed ? "Make the first one." : reason}
          </EmptyState>
        }
        onOpen={allowed ? setOpened : undefined}
        actions={(one) => (
          <>
            <IconAction
              label={`Send a test to ${one.name}`}
              icon="dispatched"
              reason={reason}
              busy={test.isPending && test.variables.id === one.id}
              onClick={() => test.mutate(one)}
            />
            <IconAction label={`Edit ${one.name}`} icon="edit" reason={reason} onClick={() => setOpened(one)} />
            <IconAction label={`Archive ${one.name}`} icon="delete" reason={reason} onClick={() => setToArchive(one)} />
          </>
        )}
      />
      {opened && <ChannelDialog before={opened === "new" ? null : opened} onClose={() => setOpened(null)} />}
      {toArchive && (
        <ConfirmDialog
          opened
          danger
          title="Archive the channel"
          confirm="Archive channel"
          busy={archive.isPending}
          problem={archive.error}
          onClose={() => setToArchive(null)}
          onConfirm={() => archive.mutate(toArchive, { onSuccess: () => setToArchive(null) })}
        >
          “{toArchive.name}” is out of use for good, and what waits for it is not sent any more.
        </ConfirmDialog>
      )}
    </>
  );
};
