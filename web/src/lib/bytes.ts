const UNITS = ["B", "KiB", "MiB", "GiB"];

/** `0 B`, `512 B`, `1.5 KiB`, `12 MiB`. */
export const bytes = (number: number): string => {
  const step = number < 1 ? 0 : Math.min(UNITS.length - 1, Math.floor(Math.log2(number) / 10));
  const size = number / 1024 ** step;
  return `${step === 0 || size >= 10 ? Math.round(size) : size.toFixed(1)} ${UNITS[step] ?? ""}`;
};
