/** Rows with a heading before those of each day, as the clocks of a zone have it. */
export type Dated<T> = { day: string; key: string } | { row: T };

const formats = new Map<string, Intl.DateTimeFormat>();

/** `Sunday 29 November 2026`. */
export const dayOf = (at: string, zone: string): string => {
  const options = { timeZone: zone, weekday: "long", day: "numeric", month: "long", year: "numeric" } as const;
  const format = formats.get(zone) ?? new Intl.DateTimeFormat("en-GB", options);
  formats.set(zone, format);
  return format.format(new Date(at)).replace(",", "");
};

export const withDays = <T>(rows: readonly T[], dayOfRow: (row: T) => string): Dated<T>[] => {
  const found: Dated<T>[] = [];
  let before: string | null = null;
  rows.forEach((row, place) => {
    const day = dayOfRow(row);
    if (day !== before) found.push({ day, key: `${day} ${place}` });
    before = day;
    found.push({ row });
  });
  return found;
};
