import { ActionIcon, Menu } from "@mantine/core";
import { type Operator, useUpdateOperator } from "@/api/operators";
import { showProblem } from "@/api/query";
import { Icon } from "@/ui/icons";
import { IconAction } from "@/ui/IconAction";
import type { Asked } from "./OperatorCommands";

/** What can be done with an account from its row. */
export const OperatorRowActions = ({ operator, onAsk }: { operator: Operator; onAsk: (asked: Asked) => void }) => {
  const enable = useUpdateOperator((saved) => `“${saved.username}” may sign in again.`);
  const ask = (command: Asked["command"]) => () => onAsk({ command, operator });
  return (
    <>
      <IconAction label={`Change ${operator.username}`} icon="edit" onClick={ask("edit")} />
      <Menu>
        <Menu.Target>
          <ActionIcon aria-label={`More for ${operator.username}`}>
            <Icon name="more" />
          </ActionIcon>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Item leftSection={<Icon name="token" size={14} />} onClick={ask("password")}>
            New password…
          </Menu.Item>
          {operator.enabled ? (
            <Menu.Item leftSection={<Icon name="pause" size={14} />} onClick={ask("disable")}>
              Disable…
            </Menu.Item>
          ) : (
            <Menu.Item
              leftSection={<Icon name="resume" size={14} />}
              onClick={() => enable.mutate({ id: operator.id, change: { enabled: true } }, { onError: showProblem })}
            >
              Enable
            </Menu.Item>
          )}
          <Menu.Item color="red" leftSection={<Icon name="delete" size={14} />} onClick={ask("delete")}>
            Delete…
          </Menu.Item>
        </Menu.Dropdown>
      </Menu>
    </>
  );
};
