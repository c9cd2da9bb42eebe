import { ActionIcon, Button, Menu } from "@mantine/core";
import type { ReactNode } from "react";
import { can } from "@/api/can";
import type { JobReply } from "@/api/jobs";
import { paths } from "@/lib/paths";
import { AppLink } from "@/ui/AppLink";
import { Icon } from "@/ui/icons";
import { Instant } from "@/ui/Instant";
import { PageHeader } from "@/ui/PageHeader";
import { StateBadge } from "@/ui/StateBadge";
import classes from "./job-header.module.css";

export type JobTab = "job" | "run" | "history";
export type JobHeaderCommand = "run" | "pause" | "resume" | "delete";

interface JobHeaderProps {
  job: JobReply;
  tab: JobTab;
  /** Why no job can be made; null where it can. */
  mayCreate: string | null;
  busy?: boolean;
  /** Further buttons of the page, before those of the job. */
  actions?: ReactNode;
  /** Further entries of the menu, as Menu.Items. */
  menu?: ReactNode;
  onCommand: (command: JobHeaderCommand) => void;
}

/** The head that the three pages of a job share: its name and state, the way between the pages, and what can be done with it. */
export const JobHeader = ({ job, tab, mayCreate, busy, actions, menu, onCommand }: JobHeaderProps) => (
  <>
    <PageHeader
      title={job.name}
      beside={<StateBadge state={job.state} detail={job.state_reason} />}
      actions={
        <>
          {actions}
          <Commands job={job} mayCreate={mayCreate} busy={busy} menu={menu} onCommand={onCommand} />
        </>
      }
    >
      <Standing job={job} />
    </PageHeader>
    <nav className={classes.tabs} aria-label="Pages of the job">
      <Tab to={paths.job(job.id)} label="Job" isHere={tab === "job"} />
      <Tab to={paths.jobRun(job.id)} label={job.job_kind === "onboarding" ? "Addresses" : "Current Run"} isHere={tab === "run"} />
      <Tab to={paths.jobHistory(job.id)} label="Historical Runs" isHere={tab === "history"} />
    </nav>
  </>
);

const Tab = ({ to, label, isHere }: { to: string; label: string; isHere: boolean }) => (
  <AppLink to={to} className={classes.tab} aria-current={isHere ? "page" : undefined}>
    {label}
  </AppLink>
);

/** When it starts, or why it will not. */
const Standing = ({ job }: { job: JobReply }) => (
  <span className={classes.standing}>
    {job.schedule_text && <span>{job.schedule_text}</span>}
    {job.next_due_at && (
      <span>
        next <Instant at={job.next_due_at} />
      </span>
    )}
    {job.will_not_fire && (
      <span className={job.state === "completed" ? undefined : classes.why}>{job.will_not_fire.sentence}</span>
    )}
    {job.drift && <span className={classes.why}>{job.drift}</span>}
  </span>
);

const Commands = ({
  job,
  mayCreate,
  busy,
  menu,
  onCommand,
}: Pick<JobHeaderProps, "job" | "mayCreate" | "busy" | "menu" | "onCommand">) => {
  const run = can(job, "rerun");
  const toggle = can(job, "toggle");
  const remove = can(job, "delete");
  return (
    <>
      <Off reason={run.reason}>
        <Button
          variant="default"
          leftSection={<Icon name="run" size={14} />}
          disabled={!run.allowed}
          loading={busy}
          onClick={() => onCommand("run")}
        >
          Run now
        </Button>
      </Off>
      <Off reason={toggle.reason}>
        <Button
          variant="default"
          leftSection={<Icon name={job.enabled ? "pause" : "resume"} size={14} />}
          disabled={!toggle.allowed}
          onClick={() => onCommand(job.enabled ? "pause" : "resume")}
        >
          {job.enabled ? "Pause…" : "Resume"}
        </Button>
      </Off>
      <Menu>
        <Menu.Target>
          <ActionIcon variant="default" size={30} aria-label={`More for ${job.name}`}>
            <Icon name="more" />
          </ActionIcon>
        </Menu.Target>
        <Menu.Dropdown>
          {menu}
          <Menu.Item
            component={AppLink}
            to={paths.newJob({ from: job.id })}
            leftSection={<Icon name="duplicate" size={14} />}
            disabled={mayCreate !== null}
            title={mayCreate ?? undefined}
          >
            Duplicate…
          </Menu.Item>
          <Menu.Item
            color="red"
            leftSection={<Icon name="delete" size={14} />}
            disabled={!remove.allowed}
            title={remove.reason ?? undefined}
            onClick={() => onCommand("delete")}
          >
            Delete…
          </Menu.Item>
        </Menu.Dropdown>
      </Menu>
    </>
  );
};

/** Around a button that may be off: says why when pointed at, as the button itself is dead then. */
const Off = ({ reason, children }: { reason: string | null; children: ReactNode }) => (
  <span title={reason ?? undefined}>{children}</span>
);
