import { Kbd, Modal, SimpleGrid, Text } from "@mantine/core";
import { useActiveKeys } from "@/lib/keys";

/** The keys that do something on this page now. */
export const KeyHelp = ({ opened, onClose }: { opened: boolean; onClose: () => void }) => {
  const keys = useActiveKeys();
  const groups = [...new Set(keys.map((one) => one.group ?? "This page"))];
  return (
    <Modal opened={opened} onClose={onClose} title="Keys" size="lg" closeButtonProps={{ "aria-label": "Close" }}>
      <SimpleGrid cols={{ base: 1, sm: 2 }}>
        {groups.map((group) => (
          <section key={group} aria-label={group}>
            <Text fw={600} size="sm" mb={6}>
              {group}
            </Text>
            {keys
              .filter((one) => (one.group ?? "This page") === group)
              .map((one) => (
                <div key={one.keys} style={{ display: "flex", justifyContent: "space-between", padding: "0.2rem 0" }}>
                  <span>{one.does}</span>
                  <span>
                    {one.keys.split(" ").map((part) => (
                      <Kbd key={part} ml={4}>
                        {part}
                      </Kbd>
                    ))}
                  </span>
                </div>
              ))}
          </section>
        ))}
      </SimpleGrid>
      <Text size="xs" c="dimmed" mt="md">
        Ctrl K opens the search from everywhere. Keys rest while you type in a field.
      </Text>
    </Modal>
  );
};
