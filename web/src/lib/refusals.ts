/** A refusal taken apart: what it says of one field, for the error of its control, and what is left to say below the form. */

interface Refusal {
  title?: string;
  detail?: string;
  message?: string;
  status?: number;
  errors?: readonly { field: string; message: string }[];
}

const sentence = (message: string): string => {
  const said = message.charAt(0).toUpperCase() + message.slice(1);
  return /[.!?]$/.test(said) ? said : `${said}.`;
};

const isOf = (field: string, place: string): boolean => field === place || field.startsWith(`${place}.`);

/** `said("spans.0.schedule")`: all about that field and what lies below it; undefined where there is nothing. */
export const refusedAt =
  (problem: Refusal | null | undefined) =>
  (place: string): string | undefined =>
    problem?.errors
      ?.filter((one) => isOf(one.field, place))
      .map((one) => sentence(one.message))
      .join(" ") || undefined;

/** The refusal without what is said at these places; null where nothing is left. */
export const refusedElsewhere = (problem: Refusal | null | undefined, places: readonly string[]): Refusal | null => {
  if (!problem) return null;
  const { title, detail, message, status, errors: all = [] } = problem;
  const errors = all.filter((one) => !places.some((place) => isOf(one.field, place)));
  return all.length > 0 && errors.length === 0 ? null : { title, detail, message, status, errors };
};
