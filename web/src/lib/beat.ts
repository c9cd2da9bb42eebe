/** Work that many changes ask for: done soon after the first of them, then at most once in a while, and never twice at a time. */

export interface Beat {
  /** Something changed. */
  ring: () => void;
  stop: () => void;
}

/** `work` reads what there is now, so that one doing is enough for all rings before it; a ring meanwhile makes it begin again afterwards. */
export const createBeat = (work: () => Promise<unknown>, everyMilliseconds: number): Beat => {
  let last = -Infinity;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let isRung = false;
  let isBusy = false;
  let isStopped = false;
  const begin = (): void => {
    timer = undefined;
    isRung = false;
    isBusy = true;
    last = performance.now();
    void work()
      .catch(() => undefined) // what could not be read says so where it is shown
      .finally(() => {
        isBusy = false;
        if (isRung) plan();
      });
  };
  const plan = (): void => {
    isRung = true;
    if (isStopped || isBusy || timer !== undefined) return;
    timer = setTimeout(begin, Math.max(0, last + everyMilliseconds - performance.now()));
  };
  return {
    ring: plan,
    stop: () => {
      isStopped = true;
      clearTimeout(timer);
    },
  };
};
