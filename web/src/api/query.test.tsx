import { MantineProvider } from "@mantine/core";
import { QueryClientProvider } from "@tanstack/react-query";
import { act, renderHook, waitFor } from "@testing-library/react";
import type { ReactNode } from "react";
import { afterEach, expect, it, vi } from "vitest";
import { patched, useRunJob, useToggleJob } from "./jobs";
import { setCsrfToken, whenSignedOut } from "./client";
import { createQueryClient } from "./query";

const around = ({ children }: { children: ReactNode }) => (
  <MantineProvider>
    <QueryClientProvider client={createQueryClient()}>{children}</QueryClientProvider>
  </MantineProvider>
);
const answering = (status: number, body: unknown) =>
  vi.spyOn(globalThis, "fetch").mockImplementation(() => Promise.resolve(Response.json(body, { status })));
const JOB = { id: 7, name: "Trim logs" };

afterEach(() => {
  setCsrfToken(null);
  whenSignedOut(() => undefined);
});

it("sends the session's token, and the same key again after a reply that never came", async () => {
  setCsrfToken("token");
  const fetch = vi
    .spyOn(globalThis, "fetch")
    .mockRejectedValueOnce(new TypeError("network"))
    .mockResolvedValue(Response.json({}, { status: 202 }));
  const { result } = renderHook(() => useRunJob(), { wrapper: around });
  for (let count = 0; count < 3; count++) {
    fetch.mockResolvedValueOnce(Response.json({}, { status: 202 }));
    await act(() => result.current.mutateAsync(JOB).catch(() => undefined));
  }
  const sent = fetch.mock.calls.map(([request]) => (request as Request).headers);
  const [first, again, another] = sent.map((one) => one.get("Idempotency-Key"));
  expect(sent[0]?.get("X-CSRF-Token")).toBe("token");
  expect(again).toBe(first);
  expect(another).not.toBe(first);
});

it("throws a refusal with all its reasons", async () => {
  const errors = [{ field: "until", code: "past", message: "must lie in the future" }];
  answering(422, { title: "Invalid content", status: 422, detail: "No.", code: "invalid", errors });
  const { result } = renderHook(() => useToggleJob("form"), { wrapper: around });
  act(() => result.current.mutate({ job: JOB, enabled: false }));
  await waitFor(() => expect(result.current.error?.errors).toEqual(errors));
});

it("says when nobody is signed in any more", async () => {
  answering(401, { title: "Not signed in", status: 401, detail: "Sign in.", code: "not_signed_in", errors: [] });
  const out = vi.fn();
  whenSignedOut(out);
  const { result } = renderHook(() => useRunJob(), { wrapper: around });
  await act(() => result.current.mutateAsync(JOB).catch(() => undefined));
  expect(out).toHaveBeenCalledOnce();
});

it("puts fresh rows in place and lets those go that are gone", () => {
  const rows = [
    { id: 1, n: 1 },
    { id: 2, n: 1 },
    { id: 3, n: 1 },
  ];
  expect(
    patched(
      rows,
      new Map([
        [2, { id: 2, n: 2 }],
        [3, null],
      ]),
    ),
  ).toEqual([
    { id: 1, n: 1 },
    { id: 2, n: 2 },
  ]);
});
