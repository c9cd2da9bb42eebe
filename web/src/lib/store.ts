import { useSyncExternalStore } from "react";

/** A value outside of React that components can follow: for what the whole console shares, such as its zone or the live state. */
export interface Store<T> {
  get: () => T;
  set: (value: T) => void;
  subscribe: (listener: () => void) => () => void;
}

export const createStore = <T>(initial: T): Store<T> => {
  let value = initial;
  const listeners = new Set<() => void>();
  return {
    get: () => value,
    set: (next) => {
      if (Object.is(next, value)) return;
      value = next;
      listeners.forEach((one) => one());
    },
    subscribe: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
};

/** One that is kept in this browser. What lies there and is not `isValid` is as if it were not there. */
export const createKeptStore = <T>(key: string, initial: T, isValid: (value: unknown) => value is T): Store<T> => {
  const store = createStore(readKept(key, initial, isValid));
  return {
    ...store,
    set: (value) => {
      store.set(value);
      try {
        localStorage.setItem(key, JSON.stringify(value));
      } catch {
        // A browser that keeps nothing still shows everything.
      }
    },
  };
};

export const readKept = <T>(key: string, initial: T, isValid: (value: unknown) => value is T): T => {
  try {
    const found: unknown = JSON.parse(localStorage.getItem(key) ?? "null");
    return isValid(found) ? found : initial;
  } catch {
    return initial;
  }
};

export const useStore = <T>(store: Store<T>): T => useSyncExternalStore(store.subscribe, store.get);
