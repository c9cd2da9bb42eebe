import { useNavigate, useSearch } from "@tanstack/react-router";
import { useCallback, useMemo } from "react";
import type { Param, RawSearch, Values } from "./search-params";

// Each field has a type of its own, which `Values` gives back; the record itself need not know it.
type AnyParams = Record<string, Param<never> | Param<string> | Param<string[]> | Param<number | null> | Param<boolean | null>>;

/**
 * The state of a screen that lives in its address: `const [view, setView] = useUrlState(FIELDS)`, with FIELDS a constant outside of
 * the component. `setView({ q: "x" })` changes only what it names, without a new entry in the history.
 */
export const useUrlState = <P extends object>(fields: P): [Values<P>, (patch: Partial<Values<P>>) => void] => {
  const raw: RawSearch = useSearch({ strict: false });
  const navigate = useNavigate();
  const values = useMemo(() => readAll(fields, raw), [fields, raw]);
  const set = useCallback(
    (patch: Partial<Values<P>>) =>
      void navigate({
        to: ".",
        search: (before: RawSearch) => ({ ...before, ...writeAll(fields, patch) }),
        replace: true,
      } as never),
    [fields, navigate],
  );
  return [values, set];
};

export const readAll = <P extends object>(fields: P, raw: RawSearch): Values<P> =>
  Object.fromEntries(Object.entries(fields as AnyParams).map(([name, field]) => [name, field.read(raw[name])])) as Values<P>;

export const writeAll = <P extends object>(fields: P, patch: Partial<Values<P>>): Record<string, string | string[] | undefined> =>
  Object.fromEntries(
    Object.entries(patch).map(([name, value]) => [name, (fields as AnyParams)[name]?.write(value as never)] as const),
  );
