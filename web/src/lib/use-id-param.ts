import { useParams } from "@tanstack/react-router";

/** A part of the address, such as the `$siteId` of `/sites/$siteId`; empty where it is not there. */
export const useTextParam = (name: string): string => {
  const all: Partial<Record<string, string>> = useParams({ strict: false });
  return all[name] ?? "";
};

/** The same as a whole number. What is none is 0, which nothing has. */
export const useIdParam = (name: string): number => {
  const told = useTextParam(name);
  return /^\d{1,15}$/.test(told) ? Number(told) : 0;
};
