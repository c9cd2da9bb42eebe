import { Button, Checkbox, Group, Menu, Modal, Stack, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { can } from "@/api/can";
import { type ScreenName, useCreateView, useDeleteView, useUpdateView, type View, viewsQuery } from "@/api/views";
import { ConfirmDialog } from "@/ui/ConfirmDialog";
import { Icon } from "@/ui/icons";
import { ProblemAlert } from "@/ui/ProblemAlert";

interface ViewsMenuProps {
  screen: ScreenName;
  /** The id of the view that is shown. */
  current: number | null;
  /** What would be saved now, as the API's list names its parameters. */
  query: Record<string, unknown>;
  columns: string[];
  onChoose: (view: View | null) => void;
}

/** Saved filters, orders and columns of a screen: choose, save, share, delete. */
export const ViewsMenu = ({ screen, current, query, columns, onChoose }: ViewsMenuProps) => {
  const [isSaving, setIsSaving] = useState(false);
  const [leaving, setLeaving] = useState<View | null>(null);
  const views = useQuery(viewsQuery(screen)).data ?? [];
  const chosen = views.find((one) => one.id === current);
  const update = useUpdateView();
  const remove = useDeleteView();
  const asSaved = { screen, query, columns: columns.length ? columns : null };
  return (
    <>
      <Menu width={260}>
        <Menu.Target>
          <Button variant="default" leftSection={<Icon name="filter" size={14} />}>
            {chosen ? chosen.name : "Views"}
          </Button>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Item onClick={() => onChoose(null)}>Everything</Menu.Item>
          {views.map((view) => (
            <Menu.Item
              key={view.id}
              onClick={() => onChoose(view)}
              aria-current={view.id === current}
              rightSection={view.id === current ? <Icon name="success" size={14} /> : undefined}
            >
              {view.name}
              {!view.is_mine && <small> · {view.owner}</small>}
              {view.is_mine && view.is_shared && <small> · shared</small>}
            </Menu.Item>
          ))}
          <Menu.Divider />
          <Menu.Item leftSection={<Icon name="add" size={14} />} onClick={() => setIsSaving(true)}>
            Save as a new view…
          </Menu.Item>
          {chosen && can(chosen, "update").allowed && (
            <Menu.Item
              onClick={() =>
                update.mutate({ view: chosen, body: { name: chosen.name, is_shared: chosen.is_shared, ...asSaved } })
              }
            >
              Save into “{chosen.name}”
            </Menu.Item>
          )}
          {chosen && can(chosen, "delete").allowed && (
            <Menu.Item color="red" leftSection={<Icon name="delete" size={14} />} onClick={() => setLeaving(chosen)}>
              Delete “{chosen.name}”…
            </Menu.Item>
          )}
        </Menu.Dropdown>
      </Menu>
      {isSaving && <SaveView body={asSaved} onClose={() => setIsSaving(false)} onSaved={onChoose} />}
      <ConfirmDialog
        opened={leaving !== null}
        title="Delete the view"
        confirm="Delete view"
        danger
        busy={remove.isPending}
        onClose={() => setLeaving(null)}
        onConfirm={() => {
          if (leaving) remove.mutate(leaving, { onSuccess: () => onChoose(null), onSettled: () => setLeaving(null) });
        }}
      >
        The view “{leaving?.name}” goes away{leaving?.is_shared ? " for everybody, as it is shared" : ""}. What it shows stays as
        it is.
      </ConfirmDialog>
    </>
  );
};

interface SaveViewProps {
  body: { screen: ScreenName; query: Record<string, unknown>; columns: string[] | null };
  onClose: () => void;
  onSaved: (view: View) => void;
}

const SaveView = ({ body, onClose, onSaved }: SaveViewProps) => {
  const [name, setName] = useState("");
  const [isShared, setIsShared] = useState(false);
  const create = useCreateView((view) => {
    onSaved(view);
    onClose();
  });
  return (
    <Modal opened onClose={onClose} title="Save as a new view" closeButtonProps={{ "aria-label": "Close" }}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          create.mutate({ ...body, name: name.trim(), is_shared: isShared });
        }}
      >
        <Stack gap="sm">
          <TextInput
            label="Name"
            required
            data-autofocus
            maxLength={200}
            value={name}
            onChange={(event) => setName(event.currentTarget.value)}
          />
          <Checkbox
            label="Share it: everybody sees it"
            checked={isShared}
            onChange={(event) => setIsShared(event.currentTarget.checked)}
          />
          <ProblemAlert problem={create.error} />
          <Group justify="flex-end">
            <Button type="submit" loading={create.isPending}>
              Save view
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
};
