import { useMemo } from "react";
import { createKeptStore, type Store, useStore } from "./store";

const stores = new Map<string, Store<string[]>>();
const isTexts = (value: unknown): value is string[] => Array.isArray(value) && value.every((one) => typeof one === "string");

/** The columns of a screen: those of the address, else those that this browser last chose, else the usual ones (empty). */
export const useColumns = (screen: string, inAddress: string[], setAddress: (columns: string[]) => void) => {
  const store = useMemo(() => {
    const made = stores.get(screen) ?? createKeptStore<string[]>(`watchbill.columns.${screen}`, [], isTexts);
    stores.set(screen, made);
    return made;
  }, [screen]);
  const kept = useStore(store);
  const choose = (columns: string[]): void => {
    store.set(columns);
    setAddress(columns);
  };
  return [inAddress.length ? inAddress : kept, choose] as const;
};
