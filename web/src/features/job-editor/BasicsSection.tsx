import { TagsInput, Textarea, TextInput } from "@mantine/core";
import type { FieldProblem } from "@/api/problem";
import { Section } from "./Section";
import type { JobForm } from "./use-job-form";

export const BasicsSection = ({ form, problems }: { form: JobForm; problems: readonly FieldProblem[] }) => {
  const { draft, set, fault } = form;
  return (
    <Section id="name" problems={problems}>
      <TextInput
        label="Name"
        withAsterisk
        value={draft.name}
        maxLength={200}
        onChange={(event) => set({ name: event.currentTarget.value })}
        error={fault("name")}
      />
      <Textarea
        label="Description"
        description="For people: what it is for, and whom to ask."
        autosize
        minRows={2}
        maxRows={8}
        maxLength={10_000}
        value={draft.description}
        onChange={(event) => set({ description: event.currentTarget.value })}
        error={fault("description")}
      />
      <TagsInput
        label="Tags"
        description="Short words by which jobs are found together. Enter adds one."
        value={[...draft.tags]}
        onChange={(tags) => set({ tags })}
        error={fault("tags", true)}
      />
    </Section>
  );
};
