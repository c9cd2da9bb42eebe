import { ActionIcon, CopyButton, Group, Tooltip } from "@mantine/core";
import { Icon } from "./icons";

/** A text to take along, such as a command: shown whole, copied by one press. */
export const CopyText = ({ text, label = "Copy" }: { text: string; label?: string }) => (
  <Group gap={6} wrap="nowrap" className="wb-panel" px="xs" py={4}>
    <code style={{ flex: 1, overflowWrap: "anywhere", whiteSpace: "pre-wrap" }}>{text}</code>
    <CopyButton value={text}>
      {({ copied, copy }) => (
        <Tooltip label={copied ? "Copied" : label}>
          <ActionIcon onClick={copy} aria-label={copied ? "Copied" : label}>
            <Icon name={copied ? "success" : "copy"} />
          </ActionIcon>
        </Tooltip>
      )}
    </CopyButton>
  </Group>
);
