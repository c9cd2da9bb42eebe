import { useMediaQuery } from "@mantine/hooks";

/** Whether there is room for a column only; the same bound as in the style sheets. */
export const useIsPhone = (): boolean => useMediaQuery("(max-width: 48em)", undefined, { getInitialValueInEffect: false });
