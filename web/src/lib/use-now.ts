import { useSyncExternalStore } from "react";

// One clock for all relative times of a page: it ticks while anybody looks.
const EVERY = 5_000;
const listeners = new Set<() => void>();
let now = new Date();
let timer: ReturnType<typeof setInterval> | undefined;

const subscribe = (listener: () => void): (() => void) => {
  listeners.add(listener);
  timer ??= setInterval(() => {
    now = new Date();
    listeners.forEach((one) => one());
  }, EVERY);
  return () => {
    listeners.delete(listener);
    if (listeners.size > 0) return;
    clearInterval(timer);
    timer = undefined;
  };
};

/** The time now, anew every five seconds. */
export const useNow = (): Date => useSyncExternalStore(subscribe, () => now);
