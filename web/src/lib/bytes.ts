const UNITS = ["KiB", "MiB", "GiB", "TiB"] as const;

/** `512 B`, `1.5 KiB`, `20 MiB`. */
export const bytes = (size: number): string => {
  if (size < 1024) return `${size} B`;
  const power = Math.min(Math.floor(Math.log(size) / Math.log(1024)), UNITS.length);
  const value = size / 1024 ** power;
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${UNITS[power - 1] ?? "B"}`;
};
