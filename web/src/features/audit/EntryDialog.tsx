import { Modal, Stack } from "@mantine/core";
import type { AuditEntry } from "@/api/audit";
import { CodeView } from "@/ui/CodeView";
import { FactList } from "@/ui/FactList";
import { Instant } from "@/ui/Instant";
import { actionInWords, kindInWords, nameOf } from "./audit-words";

/** One entry of the trail, whole. */
export const EntryDialog = ({ one, onClose }: { one: AuditEntry; onClose: () => void }) => (
  <Modal
    opened
    size="lg"
    onClose={onClose}
    title={`${actionInWords(one.action)}: ${kindInWords(one.object_kind)} ${nameOf(one)}`}
    closeButtonProps={{ "aria-label": "Close" }}
  >
    <Stack gap="sm">
      <FactList
        facts={[
          { label: "When", value: <Instant at={one.at} /> },
          { label: "Who", value: one.actor },
          { label: "Action", value: one.action },
          { label: "Object", value: `${one.object_kind} ${one.object_id ?? ""}` },
          { label: "From", value: one.remote_addr },
        ]}
      />
      <CodeView label="Detail" language="json" value={JSON.stringify(one.detail, null, 2)} />
    </Stack>
  </Modal>
);
