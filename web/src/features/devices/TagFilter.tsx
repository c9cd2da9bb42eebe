import { TextInput } from "@mantine/core";
import { useState } from "react";
import { Icon } from "@/ui/icons";

/** Only devices with this tag; taken over by Enter or by leaving it. */
export const TagFilter = ({ value, onChange }: { value: string; onChange: (tag: string) => void }) => {
  const [typed, setTyped] = useState(value);
  const [told, setTold] = useState(value);
  // The address changed by another way: a view, a link, the browser's back.
  if (value !== told) {
    setTold(value);
    setTyped(value);
  }
  const take = (): void => {
    if (typed.trim() !== value) onChange(typed.trim());
  };
  return (
    <TextInput
      size="xs"
      w={120}
      aria-label="Any tag"
      placeholder="Any tag"
      leftSection={<Icon name="tag" size={13} />}
      value={typed}
      maxLength={200}
      onChange={(event) => setTyped(event.currentTarget.value)}
      onBlur={take}
      onKeyDown={(event) => event.key === "Enter" && take()}
    />
  );
};
