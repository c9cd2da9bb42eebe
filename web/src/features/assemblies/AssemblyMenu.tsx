import { ActionIcon, Menu } from "@mantine/core";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { type Assembly, exportAddress, useArchiveAssembly, useRestoreAssembly, zipAddress } from "@/api/assemblies";
import { ConfirmDialog } from "@/ui/ConfirmDialog";
import { Icon } from "@/ui/icons";

/** What can be done with an assembly beside changing it. `reason`: why it may not be changed. */
export const AssemblyMenu = ({
  assembly,
  reason,
}: {
  assembly: Pick<Assembly, "id" | "name" | "kind" | "archived_at">;
  reason: string | null;
}) => {
  const navigate = useNavigate();
  const archive = useArchiveAssembly();
  const restore = useRestoreAssembly();
  const [isAsked, setAsked] = useState(false);
  const close = (): void => {
    archive.reset();
    setAsked(false);
  };
  return (
    <>
      <Menu>
        <Menu.Target>
          <ActionIcon aria-label={`More for ${assembly.name}`} size="lg">
            <Icon name="more" />
          </ActionIcon>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Item
            leftSection={<Icon name="duplicate" size={14} />}
            disabled={reason !== null}
            title={reason ?? undefined}
            onClick={() => void navigate({ to: "/assemblies/new", search: { from: assembly.id } })}
          >
            Duplicate…
          </Menu.Item>
          <Menu.Item
            component="a"
            href={exportAddress(assembly.id)}
            download={`${assembly.name}.yaml`}
            leftSection={<Icon name="ledger" size={14} />}
          >
            Export as YAML
          </Menu.Item>
          {assembly.kind === "playbook" && (
            <Menu.Item
              component="a"
              href={zipAddress(assembly.id)}
              download={`${assembly.name}.zip`}
              leftSection={<Icon name="ledger" size={14} />}
            >
              Export with its files as zip
            </Menu.Item>
          )}
          {assembly.archived_at ? (
            <Menu.Item
              leftSection={<Icon name="resume" size={14} />}
              disabled={reason !== null}
              title={reason ?? undefined}
              onClick={() => restore.mutate(assembly)}
            >
              Bring back into use
            </Menu.Item>
          ) : (
            <Menu.Item
              color="red"
              leftSection={<Icon name="delete" size={14} />}
              disabled={reason !== null}
              title={reason ?? undefined}
              onClick={() => setAsked(true)}
            >
              Archive…
            </Menu.Item>
          )}
        </Menu.Dropdown>
      </Menu>
      <ConfirmDialog
        opened={isAsked}
        danger
        title="Archive the assembly"
        confirm="Archive assembly"
        busy={archive.isPending}
        problem={archive.error}
        onClose={close}
        onConfirm={() => archive.mutate(assembly, { onSuccess: close })}
      >
        No new job can take “{assembly.name}”. Its revisions and the runs that had them stay, and it can be brought back; its name
        becomes free.
      </ConfirmDialog>
    </>
  );
};
