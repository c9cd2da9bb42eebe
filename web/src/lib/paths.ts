/** Every address of the console is built here, so that a link and its page cannot drift apart; a snapshot test holds them. */

type Query = Record<string, string | number | boolean | readonly string[] | null | undefined>;

export const withQuery = (path: string, query: Query = {}): string => {
  const told = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value === null || value === undefined || value === "") continue;
    for (const one of Array.isArray(value) ? (value as readonly string[]) : [value]) told.append(name, String(one));
  }
  return told.size ? `${path}?${told.toString()}` : path;
};

const id = (value: string | number): string => encodeURIComponent(value);

export const paths = {
  home: () => "/",
  signIn: (next?: string) => withQuery("/sign-in", { next }),
  jobs: (query?: Query) => withQuery("/jobs", query),
  newJob: (query?: { from?: number; kind?: "onboarding"; site?: number }) => withQuery("/jobs/new", query),
  job: (jobId: number) => `/jobs/${id(jobId)}`,
  /** The run of one occurrence (the latest without): live while it runs. */
  jobRun: (jobId: number, occurrence?: string, query?: Query) => withQuery(`/jobs/${id(jobId)}/run`, { occurrence, ...query }),
  jobHistory: (jobId: number, query?: Query) => withQuery(`/jobs/${id(jobId)}/history`, query),
  calendar: (query?: Query) => withQuery("/calendar", query),
  ledger: (query?: Query) => withQuery("/ledger", query),
  away: (query?: Query) => withQuery("/away", query),
  search: (query?: Query) => withQuery("/search", query),
  assemblies: (query?: Query) => withQuery("/assemblies", query),
  newAssembly: (query?: { from?: string; kind?: "workflow" }) => withQuery("/assemblies/new", query),
  assembly: (assemblyId: string, query?: Query) => withQuery(`/assemblies/${id(assemblyId)}`, query),
  /** The runs of all workflows; of one of them by `workflowRuns`. */
  allWorkflowRuns: (query?: Query) => withQuery("/workflow-runs", query),
  workflowRuns: (assemblyId: string, query?: Query) => withQuery(`/assemblies/${id(assemblyId)}/runs`, query),
  webhooks: (assemblyId: string) => `/assemblies/${id(assemblyId)}/webhooks`,
  workflowRun: (runId: number, query?: Query) => withQuery(`/workflow-runs/${id(runId)}`, query),
  credentials: (query?: Query) => withQuery("/credentials", query),
  devices: (query?: Query) => withQuery("/devices", query),
  device: (deviceId: string, query?: Query) => withQuery(`/devices/${id(deviceId)}`, query),
  approvals: (query?: Query) => withQuery("/approvals", query),
  filters: (query?: Query) => withQuery("/filters", query),
  newFilter: () => "/filters/new",
  filter: (filterId: number, query?: Query) => withQuery(`/filters/${id(filterId)}`, query),
  sites: (query?: Query) => withQuery("/sites", query),
  site: (siteId: number) => `/sites/${id(siteId)}`,
  windows: (query?: Query) => withQuery("/windows", query),
  newWindow: () => "/windows/new",
  window: (windowId: number) => `/windows/${id(windowId)}`,
  variables: (query?: Query) => withQuery("/variables", query),
  notifications: (query?: Query) => withQuery("/notifications", query),
  operators: (query?: Query) => withQuery("/operators", query),
  tokens: (query?: Query) => withQuery("/tokens", query),
  audit: (query?: Query) => withQuery("/audit", query),
  workers: (query?: Query) => withQuery("/workers", query),
} as const;
