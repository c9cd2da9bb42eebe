/** Rows with a heading before those of each day, as the clocks of a zone have it. */
export type Dated<T> = { day: string; key: string } | { row: T };

export const dayOf = (at: string, zone: string): string =>
  new Intl.DateTimeFormat("en-GB", { timeZone: zone, weekday: "long", day: "numeric", month: "long", year: "numeric" }).format(
    new Date(at),
  );

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
