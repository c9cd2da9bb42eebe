const UNITS = ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB"] as const;

/** Bytes as memory and disks are spoken of: `7.8 GiB`, `512 MiB`. */
export const bytes = (count: number | null): string | null => {
  if (count === null) return null;
  let left = count;
  let place = 0;
  while (left >= 1024 && place < UNITS.length - 1) {
    left /= 1024;
    place += 1;
  }
  const shown = place === 0 || left >= 100 ? Math.round(left).toLocaleString("en") : left.toFixed(1).replace(/\.0$/, "");
  return `${shown} ${UNITS[place] ?? ""}`;
};

export const deviceCount = (count: number): string => `${count.toLocaleString("en")} ${count === 1 ? "device" : "devices"}`;

/** `Debian GNU/Linux 13 · x86_64`. */
export const systemOf = (one: { os_name: string; os_version: string; arch: string }): string =>
  [`${one.os_name} ${one.os_version}`.trim(), one.arch].filter(Boolean).join(" · ");
