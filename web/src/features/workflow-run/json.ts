export const MOST_CHARACTERS = 20_000;

/** A value as indented JSON, cut where it is too long to be looked at; `left`: how many characters that leaves out. */
export const boundedJson = (value: unknown, most = MOST_CHARACTERS): { text: string; left: number } => {
  const whole = value === undefined ? "null" : JSON.stringify(value, null, 2);
  return whole.length > most ? { text: whole.slice(0, most), left: whole.length - most } : { text: whole, left: 0 };
};
