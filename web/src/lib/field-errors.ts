/** What a refusal says of one field: for the error of its control. */

interface Refusal {
  errors: readonly { field: string; message: string }[];
}

/** `errorOf("variables.0.name")`: the sentences about that field, undefined when there is none. */
export const fieldErrors =
  (problem: Refusal | null | undefined) =>
  (field: string): string | undefined =>
    problem?.errors
      .filter((one) => one.field === field)
      .map((one) => sentence(one.message))
      .join(" ") || undefined;

const sentence = (message: string): string => {
  const said = message.charAt(0).toUpperCase() + message.slice(1);
  return /[.!?]$/.test(said) ? said : `${said}.`;
};
