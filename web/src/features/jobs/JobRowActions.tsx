import { ActionIcon, Menu } from "@mantine/core";
import { useNavigate } from "@tanstack/react-router";
import { can } from "@/api/can";
import type { Job } from "@/api/jobs";
import { paths } from "@/lib/paths";
import { AppLink } from "@/ui/AppLink";
import { Icon } from "@/ui/icons";
import { IconAction } from "@/ui/IconAction";

export type JobCommand = "run" | "pause" | "resume" | "delete";

/** What can be done with a job from its row; what cannot says why. */
export const JobRowActions = ({
  job,
  mayCreate,
  onCommand,
}: {
  job: Job;
  mayCreate: string | null;
  onCommand: (command: JobCommand, job: Job) => void;
}) => {
  const navigate = useNavigate();
  const toggle = can(job, "toggle");
  const remove = can(job, "delete");
  return (
    <>
      <IconAction
        label={`Run ${job.name} now`}
        icon="run"
        reason={can(job, "rerun").reason}
        onClick={() => onCommand("run", job)}
      />
      {job.enabled ? (
        <IconAction label={`Pause ${job.name}`} icon="pause" reason={toggle.reason} onClick={() => onCommand("pause", job)} />
      ) : (
        <IconAction label={`Resume ${job.name}`} icon="resume" reason={toggle.reason} onClick={() => onCommand("resume", job)} />
      )}
      <Menu>
        <Menu.Target>
          <ActionIcon aria-label={`More for ${job.name}`}>
            <Icon name="more" />
          </ActionIcon>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Item component={AppLink} to={paths.jobHistory(job.id)} leftSection={<Icon name="history" size={14} />}>
            History
          </Menu.Item>
          <Menu.Item
            leftSection={<Icon name="duplicate" size={14} />}
            disabled={mayCreate !== null}
            title={mayCreate ?? undefined}
            onClick={() => void navigate({ to: "/jobs/new", search: { from: String(job.id) } })}
          >
            Duplicate…
          </Menu.Item>
          <Menu.Item
            color="red"
            leftSection={<Icon name="delete" size={14} />}
            disabled={!remove.allowed}
            title={remove.reason ?? undefined}
            onClick={() => onCommand("delete", job)}
          >
            Delete…
          </Menu.Item>
        </Menu.Dropdown>
      </Menu>
    </>
  );
};
