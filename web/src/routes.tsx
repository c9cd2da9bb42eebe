import { createRootRouteWithContext, createRoute, createRouter, lazyRouteComponent, redirect } from "@tanstack/react-router";
import type { QueryClient } from "@tanstack/react-query";
import type { ComponentType } from "react";
import { sessionQuery } from "@/api/session";
import { PageFault } from "@/features/shell/PageFault";
import { Shell } from "@/features/shell/Shell";
import type { NavEntry } from "@/features/shell/nav";
import { parseSearch, type RawSearch, stringifySearch } from "@/lib/search-params";
import { NotFoundPage } from "@/pages/NotFoundPage";

interface Screen {
  path: string;
  page: () => Promise<{ default: ComponentType }>;
  /** Its place in the navigation; none for pages that are reached from others. */
  nav?: Omit<NavEntry, "to">;
}

// One line for each screen, in the order of the navigation: its address, its page, and how the navigation calls it.
// prettier-ignore
const SCREENS: readonly Screen[] = [
  // Automation
  { path: "/jobs", page: () => import("@/pages/JobsPage"), nav: { group: "Automation", label: "Scheduled Jobs", icon: "job", keys: "g j" } },
  { path: "/jobs/new", page: () => import("@/pages/NewJobPage") },
  { path: "/jobs/$jobId", page: () => import("@/pages/JobPage") },
  { path: "/jobs/$jobId/run", page: () => import("@/pages/RunPage") },
  { path: "/jobs/$jobId/history", page: () => import("@/pages/HistoryPage") },
  { path: "/calendar", page: () => import("@/pages/CalendarPage"), nav: { group: "Automation", label: "Calendar", icon: "calendar", keys: "g c" } },
  { path: "/ledger", page: () => import("@/pages/LedgerPage"), nav: { group: "Automation", label: "Ledger", icon: "ledger", keys: "g l" } },
  { path: "/away", page: () => import("@/pages/AwayPage"), nav: { group: "Automation", label: "While away", icon: "away", keys: "g w" } },
  { path: "/search", page: () => import("@/pages/SearchPage"), nav: { group: "Automation", label: "Search Output", icon: "search", keys: "g s" } },
  { path: "/assemblies", page: () => import("@/pages/AssembliesPage"), nav: { group: "Automation", label: "Assemblies", icon: "assembly", keys: "g a" } },
  { path: "/assemblies/new", page: () => import("@/pages/NewAssemblyPage") },
  { path: "/assemblies/$assemblyId", page: () => import("@/pages/AssemblyPage") },
  { path: "/assemblies/$assemblyId/runs", page: () => import("@/pages/WorkflowRunsPage") },
  { path: "/assemblies/$assemblyId/webhooks", page: () => import("@/pages/WebhooksPage") },
  { path: "/workflow-runs", page: () => import("@/pages/WorkflowRunsPage"), nav: { group: "Automation", label: "Workflow Runs", icon: "workflow", keys: "g m" } },
  { path: "/workflow-runs/$runId", page: () => import("@/pages/WorkflowRunPage") },
  { path: "/credentials", page: () => import("@/pages/CredentialsPage"), nav: { group: "Automation", label: "Credentials", icon: "credential", keys: "g r" } },
  { path: "/windows", page: () => import("@/pages/WindowsPage"), nav: { group: "Automation", label: "Windows", icon: "window", keys: "g b" } },
  { path: "/windows/new", page: () => import("@/pages/WindowPage") },
  { path: "/windows/$windowId", page: () => import("@/pages/WindowPage") },
  // Inventory
  { path: "/devices", page: () => import("@/pages/DevicesPage"), nav: { group: "Inventory", label: "Devices", icon: "device", keys: "g d" } },
  { path: "/devices/$deviceId", page: () => import("@/pages/DevicePage") },
  { path: "/approvals", page: () => import("@/pages/ApprovalsPage"), nav: { group: "Inventory", label: "Device Approvals", icon: "approval", keys: "g p" } },
  { path: "/filters", page: () => import("@/pages/FiltersPage"), nav: { group: "Inventory", label: "Filters", icon: "filter", keys: "g f" } },
  { path: "/filters/new", page: () => import("@/pages/FilterPage") },
  { path: "/filters/$filterId", page: () => import("@/pages/FilterPage") },
  { path: "/sites", page: () => import("@/pages/SitesPage"), nav: { group: "Inventory", label: "Sites", icon: "site", keys: "g i" } },
  { path: "/sites/$siteId", page: () => import("@/pages/SitePage") },
  // Settings
  { path: "/variables", page: () => import("@/pages/VariablesPage"), nav: { group: "Settings", label: "Variables", icon: "variable", keys: "g v" } },
  { path: "/notifications", page: () => import("@/pages/NotificationsPage"), nav: { group: "Settings", label: "Notifications", icon: "notification", keys: "g n" } },
  { path: "/operators", page: () => import("@/pages/OperatorsPage"), nav: { group: "Settings", label: "Operators", icon: "operator", keys: "g o" } },
  { path: "/tokens", page: () => import("@/pages/TokensPage"), nav: { group: "Settings", label: "API Tokens", icon: "token", keys: "g t" } },
  { path: "/audit", page: () => import("@/pages/AuditPage"), nav: { group: "Settings", label: "Audit", icon: "audit", keys: "g u" } },
  { path: "/workers", page: () => import("@/pages/WorkersPage"), nav: { group: "Settings", label: "Workers", icon: "worker", keys: "g k" } },
];

const NAV: readonly NavEntry[] = SCREENS.flatMap(({ path, nav }) => (nav ? [{ ...nav, to: path }] : []));

interface Context {
  client: QueryClient;
}

const root = createRootRouteWithContext<Context>()({ notFoundComponent: NotFoundPage, errorComponent: PageFault });

const next = (raw: RawSearch): string => {
  const asked = typeof raw["next"] === "string" ? raw["next"] : "/";
  return /^\/(?![/\\])/.test(asked) ? asked : "/"; // a path of ours, never another host
};

const signIn = createRoute({
  getParentRoute: () => root,
  path: "/sign-in",
  validateSearch: (raw: RawSearch) => ({ next: next(raw) }),
  component: lazyRouteComponent(() => import("@/pages/SignInPage")),
  errorComponent: PageFault,
});

/** Everything for which one must be signed in; whoever is not comes back to where he was going. */
const inside = createRoute({
  getParentRoute: () => root,
  id: "inside",
  beforeLoad: async ({ context, location }) => {
    const session = await context.client.query({ ...sessionQuery(), staleTime: "static" });
    if (!session || session.must_change_password) throw redirect({ to: "/sign-in", search: { next: location.href } });
  },
  component: () => <Shell nav={NAV} />,
  errorComponent: PageFault,
});

const home = createRoute({
  getParentRoute: () => inside,
  path: "/",
  beforeLoad: () => {
    throw redirect({ to: "/jobs" });
  },
});

const screens = SCREENS.map(({ path, page }) =>
  createRoute({
    getParentRoute: () => inside,
    path,
    validateSearch: (raw: RawSearch) => raw,
    component: lazyRouteComponent(page),
    errorComponent: PageFault,
  }),
);

// Within the shell, so that whoever mistyped an address has the navigation before him.
const elsewhere = createRoute({ getParentRoute: () => inside, path: "$", component: NotFoundPage });

export const createConsoleRouter = (client: QueryClient) =>
  createRouter({
    routeTree: root.addChildren([signIn, inside.addChildren([home, ...screens, elsewhere])]),
    context: { client },
    parseSearch,
    stringifySearch,
    defaultPendingMs: 400,
    defaultErrorComponent: PageFault,
    defaultNotFoundComponent: NotFoundPage,
    scrollRestoration: true,
  });
