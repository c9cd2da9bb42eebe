/** What was before, and what was undone: bounded, and without an entry for every letter that is typed. */

export interface History<T> {
  past: readonly T[];
  future: readonly T[];
  /** What the last change was about and when; the next one of the same kind right after it is one with it. */
  last: { kind: string; at: number } | null;
}

const MOST = 100;
const ONE_CHANGE_MILLISECONDS = 1_000;

export const newHistory = <T>(): History<T> => ({ past: [], future: [], last: null });

/** `kind`: changes of one kind in quick succession are undone together; null never is one with another. */
export const noted = <T>(history: History<T>, before: T, kind: string | null, at: number): History<T> => {
  const { last } = history;
  const isMore = kind !== null && last?.kind === kind && at - last.at < ONE_CHANGE_MILLISECONDS;
  return {
    past: isMore ? history.past : [...history.past, before].slice(-MOST),
    future: [],
    last: kind === null ? null : { kind, at },
  };
};

export const undone = <T>(history: History<T>, now: T): { history: History<T>; value: T } | null => {
  const value = history.past.at(-1);
  if (value === undefined) return null;
  return { value, history: { past: history.past.slice(0, -1), future: [now, ...history.future].slice(0, MOST), last: null } };
};

export const redone = <T>(history: History<T>, now: T): { history: History<T>; value: T } | null => {
  const [value, ...rest] = history.future;
  if (value === undefined) return null;
  return { value, history: { past: [...history.past, now].slice(-MOST), future: rest, last: null } };
};
