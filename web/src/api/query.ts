import { notifications } from "@mantine/notifications";
import {
  infiniteQueryOptions,
  QueryClient,
  type QueryKey,
  useMutation,
  type UseMutationResult,
  useQueryClient,
} from "@tanstack/react-query";
import { useState } from "react";
import { type ApiProblem, asProblem } from "./problem";

/** How the console asks and tells: one client, pages of lists, and changes whose refusal is shown. Each noun has a file beside this. */

/** A key begins with its noun, so that a live event or a change makes all that is known of it stale. */
export const NOUNS = [
  "session",
  "jobs",
  "occurrences",
  "runs",
  "results",
  "devices",
  "approvals",
  "sites",
  "filters",
  "assemblies",
  "windows",
  "variables",
  "credentials",
  "notifications",
  "operators",
  "tokens",
  "audit",
  "views",
  "workers",
  "outages",
  "waiting",
  "search",
  "customFields",
  "workflowRuns",
  "workflowApprovals",
  "webhooks",
] as const;
export type Noun = (typeof NOUNS)[number];
export const key = (noun: Noun, ...rest: readonly unknown[]): QueryKey => [noun, ...rest];

export const createQueryClient = (): QueryClient =>
  new QueryClient({
    defaultOptions: {
      queries: {
        staleTime: 30_000,
        // Refusals do not change by asking again; an Engine that restarts is back in seconds.
        retry: (failures, error) => failures < 2 && [0, 502, 503, 504].includes(asProblem(error).status),
        retryDelay: 1_000,
      },
    },
  });

export interface PageOf<T> {
  items: T[];
  next_cursor: string | null;
}

/** A keyset-paged list, for `useInfiniteQuery` and `DataTable`. */
export const listQuery = <T, P extends PageOf<T> = PageOf<T>>(
  queryKey: QueryKey,
  fetchPage: (cursor: string | undefined, signal: AbortSignal) => Promise<P>,
) =>
  infiniteQueryOptions({
    queryKey,
    queryFn: ({ pageParam, signal }) => fetchPage(pageParam ?? undefined, signal),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor,
  });

export type Once = { "Idempotency-Key": string };

/** The same key for the same input until a reply has come. */
const createKeys = () => {
  let last: { input: string; once: Once } | null = null;
  return {
    of: (input: unknown): Once => {
      const said = input === undefined ? "" : JSON.stringify(input);
      if (last?.input !== said) last = { input: said, once: { "Idempotency-Key": randomKey() } };
      return last.once;
    },
    answered: () => {
      last = null;
    },
  };
};

const randomKey = (): string =>
  Array.from(crypto.getRandomValues(new Uint8Array(16)), (one) => one.toString(16).padStart(2, "0")).join("");

interface MutationWords<In, Out> {
  /** `once` are headers for a creating POST: a repeat of it after a lost reply is answered with the first reply. */
  run: (input: In, once: Once) => Promise<Out>;
  /** What to say when it is done; it names the thing. Nothing is said without. */
  done?: (output: Out, input: In) => string;
  /** Whose knowledge is stale afterwards. */
  touches?: readonly Noun[];
  /** `form`: the caller shows the refusal beside what it is about; `toast`: it is said in passing (usual). */
  refusal?: "toast" | "form";
  onDone?: (output: Out, input: In) => void;
}

/** A change by the API: says what was done, makes stale what it touches, and shows a refusal with all its reasons. */
export const useApiMutation = <In, Out>(words: MutationWords<In, Out>): UseMutationResult<Out, ApiProblem, In> => {
  const client = useQueryClient();
  const [keys] = useState(createKeys);
  return useMutation<Out, ApiProblem, In>({
    mutationFn: async (input) => {
      try {
        const output = await words.run(input, keys.of(input));
        keys.answered();
        return output;
      } catch (error) {
        const problem = asProblem(error);
        if (problem.status !== 0) keys.answered();
        throw problem;
      }
    },
    onSuccess: (output, input) => {
      for (const noun of words.touches ?? []) void client.invalidateQueries({ queryKey: [noun] });
      const said = words.done?.(output, input);
      if (said) notifications.show({ message: said, color: "teal" });
      words.onDone?.(output, input);
    },
    onError: (problem) => {
      if (words.refusal !== "form") showProblem(problem);
    },
  });
};

/** A refusal in passing, with every reason. */
export const showProblem = (problem: ApiProblem): void => {
  const reasons = problem.errors.map((one) => `${one.field}: ${one.message}`);
  notifications.show({
    title: problem.title,
    message: [problem.detail, ...reasons].join("\n"),
    color: "red",
    autoClose: 12_000,
    styles: { description: { whiteSpace: "pre-line" } },
  });
};
