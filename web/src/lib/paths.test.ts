import { expect, it } from "vitest";
import { paths, withQuery } from "./paths";

it("builds every address", () => {
  const device = "0f2e8f3c-0000-4000-8000-000000000001";
  const built = {
    home: paths.home(),
    signIn: paths.signIn("/jobs?q=a b"),
    jobs: paths.jobs({ q: "disk", tag: ["night", "print"], state: null, site_id: 3 }),
    newJob: paths.newJob({ from: 7 }),
    job: paths.job(7),
    jobRun: paths.jobRun(7, "latest", { state: "failed" }),
    jobHistory: paths.jobHistory(7),
    calendar: paths.calendar(),
    ledger: paths.ledger({ job_id: 7 }),
    away: paths.away(),
    search: paths.search({ q: "disk full" }),
    assemblies: paths.assemblies(),
    newAssembly: paths.newAssembly(),
    assembly: paths.assembly(device, { revision: 2 }),
    allWorkflowRuns: paths.allWorkflowRuns({ state: "running" }),
    workflowRuns: paths.workflowRuns(device, { state: "failed" }),
    webhooks: paths.webhooks(device),
    workflowRun: paths.workflowRun(123, { node: "check" }),
    credentials: paths.credentials(),
    devices: paths.devices(),
    device: paths.device(device),
    approvals: paths.approvals(),
    filters: paths.filters(),
    newFilter: paths.newFilter(),
    filter: paths.filter(4),
    sites: paths.sites(),
    site: paths.site(2),
    windows: paths.windows(),
    newWindow: paths.newWindow(),
    window: paths.window(5),
    variables: paths.variables(),
    notifications: paths.notifications(),
    operators: paths.operators(),
    tokens: paths.tokens(),
    audit: paths.audit(),
    workers: paths.workers(),
  };
  expect(Object.keys(built)).toEqual(Object.keys(paths));
  expect(built).toMatchSnapshot();
});

it("leaves out what is not given", () => {
  expect(withQuery("/jobs", { q: "", state: null, site_id: undefined })).toBe("/jobs");
});
