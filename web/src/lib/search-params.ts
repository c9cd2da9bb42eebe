/** What stands behind the `?` of an address, as texts; and typed readings of it. What cannot be read counts as not given. */

export type RawSearch = Record<string, string | string[]>;

export const parseSearch = (text: string): RawSearch => {
  const found: RawSearch = {};
  for (const [name, value] of new URLSearchParams(text)) {
    const before = found[name];
    found[name] = before === undefined ? value : [...(Array.isArray(before) ? before : [before]), value];
  }
  return found;
};

export const stringifySearch = (search: Record<string, unknown>): string => {
  const told = new URLSearchParams();
  for (const [name, value] of Object.entries(search)) {
    if (value === undefined || value === null || value === "") continue;
    for (const one of Array.isArray(value) ? (value as unknown[]) : [value]) told.append(name, String(one));
  }
  return told.size ? `?${told.toString()}` : "";
};

/** How one parameter is read and written. `write` gives undefined for what need not be in the address. */
export interface Param<T> {
  read: (raw: string | string[] | undefined) => T;
  write: (value: T) => string | string[] | undefined;
}

const first = (raw: string | string[] | undefined): string | undefined => (Array.isArray(raw) ? raw[0] : raw);

export const text = (): Param<string> => ({ read: (raw) => first(raw) ?? "", write: (value) => value || undefined });

export const oneOf = <T extends string>(values: readonly T[]): Param<T | null> => ({
  read: (raw) => values.find((one) => one === first(raw)) ?? null,
  write: (value) => value ?? undefined,
});

export const oneOfOr = <T extends string>(values: readonly T[], usual: T): Param<T> => ({
  read: (raw) => values.find((one) => one === first(raw)) ?? usual,
  write: (value) => (value === usual ? undefined : value),
});

export const flag = (): Param<boolean | null> => ({
  read: (raw) => ({ true: true, false: false })[first(raw) ?? ""] ?? null,
  write: (value) => (value === null ? undefined : String(value)),
});

export const wholeNumber = (): Param<number | null> => ({
  read: (raw) => (/^\d{1,15}$/.test(first(raw) ?? "") ? Number(first(raw)) : null),
  write: (value) => (value === null ? undefined : String(value)),
});

export const texts = (): Param<string[]> => ({
  read: (raw) => (raw === undefined ? [] : Array.isArray(raw) ? raw : [raw]),
  write: (value) => (value.length ? value : undefined),
});

/** Several of a few words. */
export const someOf = <T extends string>(values: readonly T[]): Param<T[]> => ({
  read: (raw) => {
    const told = texts().read(raw);
    return values.filter((one) => told.includes(one));
  },
  write: (value) => (value.length ? value : undefined),
});

export type Params = Record<string, Param<never>>;
export type Values<P> = { [K in keyof P]: P[K] extends Param<infer T> ? T : never };
