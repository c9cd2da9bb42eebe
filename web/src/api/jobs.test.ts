import { QueryClient } from "@tanstack/react-query";
import { expect, it } from "vitest";
import { type Job, patchLists } from "./jobs";

const job = (id: number, name: string) => ({ id, name }) as Job;
const LIST = ["jobs", "list", {}];

const clientWith = (...items: Job[]): QueryClient => {
  const client = new QueryClient();
  client.setQueryData(LIST, { pages: [{ items, next_cursor: null }], pageParams: [null] }, { updatedAt: 1_000 });
  return client;
};
const names = (client: QueryClient) =>
  client.getQueryData<{ pages: { items: Job[] }[] }>(LIST)?.pages.flatMap((page) => page.items.map((one) => one.name));

it("puts what changed into a list, takes out what is gone, and makes the list no younger", () => {
  const client = clientWith(job(1, "one"), job(2, "two"));
  patchLists(
    client,
    new Map([
      [1, job(1, "other")],
      [2, null],
      [3, job(3, "three")],
    ] as [number, Job | null][]),
  );
  expect(names(client)).toEqual(["other"]);
  expect(client.getQueryState(LIST)?.dataUpdatedAt).toBe(1_000);
});

it("leaves a list alone that is to be read anew, so that a new job comes into it", async () => {
  const client = clientWith(job(1, "one"));
  await client.invalidateQueries({ queryKey: ["jobs"], refetchType: "none" });
  patchLists(client, new Map([[1, job(1, "other")]]));
  expect(client.getQueryState(LIST)?.isInvalidated).toBe(true);
});
