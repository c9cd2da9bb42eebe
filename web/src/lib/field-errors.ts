/** What the API says is wrong with which field, for showing it beside that field. */

interface Wrong {
  field: string;
  message: string;
}

interface Told {
  title?: string;
  detail?: string;
  message?: string;
  status?: number;
  errors?: readonly Wrong[];
}

/** Field → all that is wrong with it. A path such as `values.rack` is a name of its own. */
export const fieldErrors = (errors: readonly Wrong[] = []): Partial<Record<string, string>> => {
  const found: Record<string, string> = {};
  for (const { field, message } of errors) {
    const before = found[field];
    found[field] = before === undefined ? message : `${before}; ${message}`;
  }
  return found;
};

/** The refusal without what is shown beside its field; null where nothing else is left to say. */
export const restOf = (problem: Told | null | undefined, shown: readonly string[]): Told | null => {
  if (!problem) return null;
  const all = problem.errors ?? [];
  const left = all.filter((one) => !shown.includes(one.field));
  if (all.length > 0 && left.length === 0) return null;
  const { title, detail, message, status } = problem;
  return { title, detail, message, status, errors: left };
};
