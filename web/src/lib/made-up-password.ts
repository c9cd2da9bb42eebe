/** Without letters and digits that look alike, so that it can be read out and typed. */
const SIGNS = "abcdefghjkmnpqrstuvwxyz23456789";
const GROUPS = 5;
const LENGTH = 4;

/** A password to hand over, of some 99 bits: `k7fd-…`. Whoever gets it chooses another one at the first sign-in. */
export const madeUpPassword = (): string =>
  Array.from({ length: GROUPS }, () => Array.from({ length: LENGTH }, randomSign).join("")).join("-");

const randomSign = (): string => {
  const most = 256 - (256 % SIGNS.length); // beyond that, some signs would come more often
  for (;;) {
    const [one = 255] = crypto.getRandomValues(new Uint8Array(1));
    if (one < most) return SIGNS.charAt(one % SIGNS.length);
  }
};
