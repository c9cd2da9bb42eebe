import type { Execution } from "@/api/runs";

export interface Session {
  session: string;
  /** What ran last in it. */
  last: Execution;
}

/** The sessions of signed-in users in which a device ran something, in the order in which they began. None where it ran as the system. */
export const sessionsOf = (executions: readonly Execution[]): Session[] => {
  const found = new Map<string, Execution>();
  for (const one of executions) if (one.session_id !== null) found.set(one.session_id, one);
  return [...found].map(([session, last]) => ({ session, last }));
};
