import { useSyncExternalStore } from "react";

// One clock for all relative times of a page: it ticks while anybody looks.
const EVERY = 5_000;
/** What comes to be shown finds a clock that is no older: else what has just begun would lie ahead. */
const FRESH = 1_000;
const listeners = new Set<() => void>();
let now = new Date();
let timer: ReturnType<typeof setInterval> | undefined;

const tick = (): void => {
  now = new Date();
  listeners.forEach((one) => one());
};

const subscribe = (listener: () => void): (() => void) => {
  listeners.add(listener);
  if (Date.now() - now.getTime() > FRESH) tick();
  timer ??= setInterval(tick, EVERY);
  return () => {
    listeners.delete(listener);
    if (listeners.size > 0) return;
    clearInterval(timer);
    timer = undefined;
  };
};

/** The time now, anew every five seconds. */
export const useNow = (): Date => useSyncExternalStore(subscribe, () => now);
