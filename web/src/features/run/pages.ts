/** Which pages of a list hold the rows from one place to another. */
export const pagesOf = (first: number, last: number, every: number, total: number): number[] => {
  if (total === 0 || last < first) return [];
  const begin = Math.floor(Math.max(0, first) / every);
  const end = Math.floor(Math.min(last, total - 1) / every);
  return Array.from({ length: Math.max(0, end - begin + 1) }, (_, step) => begin + step);
};
