import { Button, FileButton, Group, Loader, Modal, Radio, Stack, Textarea } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { type Plan, planQuery, useImportJob } from "@/api/job-editor";
import type { JobReply } from "@/api/jobs";
import { asProblem } from "@/api/problem";
import { Icon } from "@/ui/icons";
import { ProblemAlert } from "@/ui/ProblemAlert";
import { ChangeList } from "./ChangeList";
import classes from "./job-editor.module.css";

/** A job from its file: the Engine says first what saving it would do, value by value. */
export const ImportDialog = ({ onSaved, onClose }: { onSaved: (job: JobReply) => void; onClose: () => void }) => {
  const [file, setFile] = useState("");
  const [isNew, setNew] = useState(false);
  const [rested] = useDebouncedValue(file, 300);
  const plan = useQuery({ ...planQuery(rested), enabled: rested.trim() !== "" });
  const save = useImportJob();
  const known = rested === file ? plan.data : undefined;
  const isUpdate = known?.job_id != null && !isNew;
  const blocked = !known || known.problems.length > 0 || (known.action === "unchanged" && !isNew);
  return (
    <Modal opened onClose={onClose} title="A job from a file" size="46rem" closeButtonProps={{ "aria-label": "Close" }}>
      <Stack gap="sm">
        <Group gap="xs">
          <FileButton accept=".yaml,.yml,text/yaml,text/plain" onChange={(chosen) => void chosen?.text().then(setFile)}>
            {(props) => (
              <Button {...props} variant="default" leftSection={<Icon name="upload" size={14} />}>
                Choose a file…
              </Button>
            )}
          </FileButton>
          <span className={classes.dim}>or paste it here</span>
        </Group>
        <Textarea
          aria-label="The file"
          autosize
          minRows={6}
          maxRows={14}
          spellCheck={false}
          classNames={{ input: classes.code }}
          placeholder={"name: Clear print spool\ncomponents:\n  - assembly: Clear spool\n…"}
          value={file}
          onChange={(event) => setFile(event.currentTarget.value)}
        />
        {plan.isFetching && <Loader size="xs" aria-label="Reading the file" />}
        {plan.error && <ProblemAlert problem={asProblem(plan.error)} />}
        {known && <Planned plan={known} />}
        {known?.job_id != null && (
          <Radio.Group
            label="There is a job with this name"
            value={isNew ? "new" : "update"}
            onChange={(chosen) => setNew(chosen === "new")}
          >
            <Stack gap={6} mt={4}>
              <Radio size="sm" value="update" label="Save that job anew" />
              <Radio size="sm" value="new" label="Make another job of this name" />
            </Stack>
          </Radio.Group>
        )}
        <ProblemAlert problem={save.error} />
        <Group justify="flex-end" gap="xs">
          <Button variant="default" onClick={onClose}>
            Cancel
          </Button>
          <Button
            disabled={blocked}
            title={blocked ? "First a file that can be saved." : undefined}
            loading={save.isPending}
            onClick={() =>
              save.mutate(
                { file, update: isUpdate && known.revision !== null ? { revision: known.revision } : null },
                { onSuccess: onSaved },
              )
            }
          >
            {isUpdate ? "Save the job anew" : "Make the job"}
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
};

const Planned = ({ plan }: { plan: Plan }) => {
  if (plan.problems.length > 0)
    return <ProblemAlert problem={{ title: "It cannot be saved", detail: "Mend these first.", errors: plan.problems }} />;
  if (plan.action === "unchanged") return <p className={classes.about}>“{plan.name}” is exactly as the file says.</p>;
  return (
    <>
      <p className={classes.about}>
        {plan.action === "update" ? `This changes “${plan.name ?? ""}”.` : `This makes the job “${plan.name ?? ""}”.`}{" "}
        {plan.schedule_text}
      </p>
      {plan.action === "update" && <ChangeList changes={plan.changes} />}
    </>
  );
};
