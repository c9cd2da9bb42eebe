import { Alert, Button, Group } from "@mantine/core";
import { useState } from "react";
import type { Assembly, AssemblyBody } from "@/api/assemblies";
import { Icon } from "@/ui/icons";
import { AssemblyDiff } from "./AssemblyDiff";

interface ConflictPanelProps {
  theirs: Assembly;
  mine: AssemblyBody;
  onTake: () => void;
  onKeep: () => void;
}

/** Somebody else saved it while it was being changed here: look, then choose. Nothing is lost by itself. */
export const ConflictPanel = ({ theirs, mine, onTake, onKeep }: ConflictPanelProps) => {
  const [isShown, setShown] = useState(false);
  return (
    <Alert
      color="yellow"
      variant="light"
      role="alert"
      icon={<Icon name="warning" size={18} />}
      title={`${theirs.updated_by ?? "Somebody"} saved revision ${theirs.revision} in the meantime`}
    >
      Your changes began from an older one, and are still here.
      <Group gap="xs" mt="xs">
        <Button variant="default" aria-expanded={isShown} onClick={() => setShown(!isShown)}>
          {isShown ? "Hide the difference" : "Show the difference"}
        </Button>
        <Button variant="default" onClick={onTake}>
          Drop mine, take revision {theirs.revision}
        </Button>
        <Button variant="default" onClick={onKeep}>
          Keep mine, to save it over theirs
        </Button>
      </Group>
      {isShown && (
        <div style={{ marginTop: "0.75rem" }}>
          <AssemblyDiff before={theirs} after={mine} labels={[`revision ${theirs.revision}`, "yours"]} />
        </div>
      )}
    </Alert>
  );
};
