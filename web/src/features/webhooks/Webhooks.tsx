import { ActionIcon, Button, Menu } from "@mantine/core";
import { useInfiniteQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useMay } from "@/api/session";
import { useDeleteWebhook, useUpdateWebhook, type Webhook, webhooksQuery } from "@/api/webhooks";
import { ConfirmDialog } from "@/ui/ConfirmDialog";
import { DataTable } from "@/ui/DataTable";
import { EmptyState } from "@/ui/EmptyState";
import { IconAction } from "@/ui/IconAction";
import { Icon } from "@/ui/icons";
import { DeliveriesDialog } from "./DeliveriesDialog";
import { RotateDialog } from "./RotateDialog";
import { TestDialog } from "./TestDialog";
import { WEBHOOK_COLUMNS } from "./webhook-columns";
import { WebhookDialog } from "./WebhookDialog";
import { bodyOf } from "./webhook-words";

type Asked = { what: "edit" | "rotate" | "test" | "deliveries" | "delete"; one: Webhook } | { what: "new" };

/** Deliveries make no live event: they are looked for. */
const LOOK_MILLISECONDS = 15_000;

interface WebhooksProps {
  workflowId: string;
  /** Whether it has the trigger that webhooks begin at; without, a delivery launches nothing. */
  hasTrigger: boolean;
}

/** The webhooks of a workflow, and all that is done with them. */
export const Webhooks = ({ workflowId, hasTrigger }: WebhooksProps) => {
  const list = useInfiniteQuery({ ...webhooksQuery(workflowId), refetchInterval: LOOK_MILLISECONDS });
  const [asked, setAsked] = useState<Asked | null>(null);
  const writes = useMay("jobs:write").reason;
  const runsAsSystem = useMay("run_as_system").reason;
  const reason = writes ?? runsAsSystem;
  const update = useUpdateWebhook();
  const close = (): void => setAsked(null);
  const turn = (one: Webhook): void => update.mutate({ before: one, body: { ...bodyOf(one), enabled: !one.enabled } });
  const add = (
    <span title={reason ?? undefined}>
      <Button disabled={reason !== null} leftSection={<Icon name="add" size={14} />} onClick={() => setAsked({ what: "new" })}>
        New Webhook
      </Button>
    </span>
  );
  return (
    <>
      <div style={{ marginBottom: "0.6rem" }}>{add}</div>
      <DataTable
        label="Webhooks"
        query={list}
        columns={WEBHOOK_COLUMNS}
        rowId={(one) => String(one.id)}
        rowName={(one) => one.name}
        onOpen={(one) => setAsked({ what: "deliveries", one })}
        empty={
          <EmptyState icon="webhook" title="This workflow has no webhook yet." action={add}>
            {hasTrigger
              ? "By a webhook another system launches it, and gives its parameters."
              : "By a webhook another system launches it. Give it a trigger “By a webhook” first."}
          </EmptyState>
        }
        actions={(one) => (
          <>
            <IconAction label={`Last deliveries to ${one.name}`} icon="history" onClick={() => setAsked({ what: "deliveries", one })} />
            <IconAction label={`Test ${one.name}`} icon="dispatched" reason={reason} onClick={() => setAsked({ what: "test", one })} />
            <More one={one} reason={reason} onTurn={() => turn(one)} onAsk={setAsked} />
          </>
        )}
      />
      <Dialogs workflowId={workflowId} asked={asked} onClose={close} />
    </>
  );
};

interface MoreProps {
  one: Webhook;
  /** Why nothing can be changed; null where it can. */
  reason: string | null;
  onTurn: () => void;
  onAsk: (asked: Asked) => void;
}

/** What is done seldom. */
const More = ({ one, reason, onTurn, onAsk }: MoreProps) => {
  const off = { disabled: reason !== null, title: reason ?? undefined };
  return (
    <Menu position="bottom-end">
      <Menu.Target>
        <ActionIcon aria-label={`More for ${one.name}`}>
          <Icon name="more" />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Item {...off} leftSection={<Icon name="edit" size={14} />} onClick={() => onAsk({ what: "edit", one })}>
          Edit…
        </Menu.Item>
        <Menu.Item {...off} leftSection={<Icon name={one.enabled ? "pause" : "resume"} size={14} />} onClick={onTurn}>
          {one.enabled ? "Turn off" : "Turn on"}
        </Menu.Item>
        <Menu.Item {...off} leftSection={<Icon name="token" size={14} />} onClick={() => onAsk({ what: "rotate", one })}>
          New secret…
        </Menu.Item>
        <Menu.Item {...off} color="red" leftSection={<Icon name="delete" size={14} />} onClick={() => onAsk({ what: "delete", one })}>
          Delete…
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
};

interface DialogsProps {
  workflowId: string;
  asked: Asked | null;
  onClose: () => void;
}

const Dialogs = ({ workflowId, asked, onClose }: DialogsProps) => {
  const mayLaunch = useMay("jobs:run").reason;
  if (!asked) return null;
  switch (asked.what) {
    case "new":
      return <WebhookDialog workflowId={workflowId} before={null} onClose={onClose} />;
    case "edit":
      return <WebhookDialog workflowId={workflowId} before={asked.one} onClose={onClose} />;
    case "rotate":
      return <RotateDialog one={asked.one} onClose={onClose} />;
    case "test":
      return <TestDialog one={asked.one} mayLaunch={mayLaunch} onClose={onClose} />;
    case "deliveries":
      return <DeliveriesDialog one={asked.one} onClose={onClose} />;
    case "delete":
      return <DeleteDialog one={asked.one} onClose={onClose} />;
  }
};

const DeleteDialog = ({ one, onClose }: { one: Webhook; onClose: () => void }) => {
  const remove = useDeleteWebhook();
  return (
    <ConfirmDialog
      opened
      danger
      title={`Delete ${one.name}`}
      confirm="Delete webhook"
      busy={remove.isPending}
      problem={remove.error}
      onClose={onClose}
      onConfirm={() => remove.mutate(one, { onSuccess: onClose })}
    >
      Its address leads nowhere from then on, and what is known of its deliveries is forgotten. Runs that it launched go on.
    </ConfirmDialog>
  );
};
