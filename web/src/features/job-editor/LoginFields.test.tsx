import { MantineProvider } from "@mantine/core";
import { QueryClientProvider } from "@tanstack/react-query";
import { createMemoryHistory, createRootRoute, createRouter, RouterProvider } from "@tanstack/react-router";
import { render, screen, waitFor } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { useState } from "react";
import { expect, it, vi } from "vitest";
import { createQueryClient } from "@/api/query";
import { type Draft, newDraft } from "./form";
import { LoginFields } from "./LoginFields";
import { heldLogin } from "./login";

const CHOICES = [
  { id: 7, name: "Fleet root", site_id: null, site_name: null, state: "ready" },
  { id: 8, name: "Old bastion", site_id: 3, site_name: "Harbour", state: "reset_required" },
];

/** The fields around a draft with this context; what they make of it is told. */
const shown = (context: string, told: (draft: Draft) => void) => {
  const Held = () => {
    const [draft, setDraft] = useState({ ...newDraft("UTC"), execution_context: context } as Draft);
    const set = (patch: Partial<Draft>): void => {
      const next = { ...draft, ...patch };
      setDraft(next);
      told(next);
    };
    const nothing = (): void => undefined;
    const form = { draft, set, schedule: nothing, policies: nothing, duration: nothing, fault: () => undefined };
    return (
      <>
        <p>the form</p>
        <LoginFields form={form} />
      </>
    );
  };
  const router = createRouter({ routeTree: createRootRoute({ component: Held }), history: createMemoryHistory() });
  vi.spyOn(globalThis, "fetch").mockImplementation(() => Promise.resolve(Response.json({ items: CHOICES, next_cursor: null })));
  render(
    <MantineProvider>
      <QueryClientProvider client={createQueryClient()}>
        <RouterProvider router={router as never} />
      </QueryClientProvider>
    </MantineProvider>,
  );
};

it("asks for nothing where the agent runs it", async () => {
  const told = vi.fn();
  shown("system", told);
  await screen.findByText("the form");
  expect(screen.queryByText("Signs in with")).toBeNull();
  expect(globalThis.fetch).not.toHaveBeenCalled();
});

it("offers the credentials of the kind that the context signs in by, or the service account", async () => {
  const told = vi.fn();
  shown("ssh_individual", told);
  const user = userEvent.setup();
  await user.click(await screen.findByRole("combobox", { name: /Credential/ }));
  expect(await screen.findByText("Old bastion · Harbour · secrets lost")).toBeTruthy();
  await user.click(screen.getByText("Fleet root · every site"));
  expect(heldLogin((told.mock.lastCall?.[0] as Draft).rest)).toEqual({ credential_id: 7, use_service_account: false });
  const [request] = vi.mocked(globalThis.fetch).mock.calls.map(([one]) => one as Request);
  expect(request?.url).toContain("kind=ssh");
  await user.click(screen.getByRole("radio", { name: /The service account/ }));
  expect(heldLogin((told.mock.lastCall?.[0] as Draft).rest)).toEqual({ credential_id: null, use_service_account: true });
  await waitFor(() => expect(screen.queryByRole("combobox", { name: /Credential/ })).toBeNull());
});
