import { ActionIcon, Menu, Modal, useMantineColorScheme } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { notifications } from "@mantine/notifications";
import { useRouter } from "@tanstack/react-router";
import { useSession, useSignOut } from "@/api/session";
import { Icon, type IconName } from "@/ui/icons";
import { ChoosePassword } from "./ChoosePassword";

const SCHEMES: readonly (readonly ["light" | "dark" | "auto", string, IconName])[] = [
  ["light", "Light", "light"],
  ["dark", "Dark", "dark"],
  ["auto", "As the system", "auto"],
];

/** Who is signed in, how the console looks, and the way out. */
export const AccountMenu = ({ onHelp }: { onHelp: () => void }) => {
  const session = useSession();
  const signOut = useSignOut();
  const router = useRouter();
  const [isChoosing, choosing] = useDisclosure(false);
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  if (!session) return null;
  const { operator } = session;
  const leave = (): void => signOut.mutate(undefined, { onSuccess: () => void router.invalidate() });
  return (
    <>
      <Menu width={230}>
        <Menu.Target>
          <ActionIcon aria-label={`Account of ${operator.display_name || operator.username}`} size="lg">
            <Icon name="person" size={18} />
          </ActionIcon>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Label>
            {operator.display_name || operator.username} · {operator.role}
          </Menu.Label>
          <Menu.Divider />
          <Menu.Label>Appearance</Menu.Label>
          {SCHEMES.map(([scheme, label, icon]) => (
            <Menu.Item
              key={scheme}
              leftSection={<Icon name={icon} />}
              rightSection={scheme === colorScheme ? <Icon name="success" size={14} /> : undefined}
              aria-current={scheme === colorScheme}
              onClick={() => setColorScheme(scheme)}
            >
              {label}
            </Menu.Item>
          ))}
          <Menu.Divider />
          <Menu.Item leftSection={<Icon name="keyboard" />} onClick={onHelp}>
            Keys
          </Menu.Item>
          <Menu.Item leftSection={<Icon name="token" />} onClick={choosing.open}>
            Change password…
          </Menu.Item>
          <Menu.Item leftSection={<Icon name="signOut" />} onClick={leave}>
            Sign out
          </Menu.Item>
        </Menu.Dropdown>
      </Menu>
      <Modal
        opened={isChoosing}
        onClose={choosing.close}
        title="Change your password"
        closeButtonProps={{ "aria-label": "Close" }}
      >
        <ChoosePassword
          username={operator.username}
          intro="You stay signed in here, and are signed out everywhere else."
          currentLabel="Your password until now"
          submit="Change password"
          onDone={() => {
            choosing.close();
            notifications.show({ message: "Your password is changed.", color: "teal" });
          }}
        />
      </Modal>
    </>
  );
};
