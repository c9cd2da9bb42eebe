import { expect, it } from "vitest";
import type { Approval } from "@/api/approvals";
import { approvable, oddness, readableFingerprint } from "./duplicates";

const request = (id: string, more: Partial<Approval> = {}): Approval => ({
  id,
  site_id: 1,
  site_name: "Harbour",
  state: "pending",
  hostname: "crane-01",
  key_fingerprint: "sha256:00",
  os_family: "linux",
  os_name: "Debian",
  os_version: "13",
  arch: "x86_64",
  agent_version: "0.1.0",
  remote_addr: null,
  conflict: null,
  device_id: null,
  reason: null,
  created_at: "2026-11-29T10:00:00Z",
  expires_at: "2026-11-30T10:00:00Z",
  decided_at: null,
  decided_by: null,
  onboarding: null,
  ...more,
});

it("tells a clash with a known device before machines that ask under one name", () => {
  const all = [request("a"), request("b", { hostname: "CRANE-01" }), request("c", { conflict: "hostname" })];
  expect(oddness(all[2] ?? request("x"), all)).toBe("“Harbour” already has a device of this name.");
  expect(oddness(all[0] ?? request("x"), all)).toBe("2 other machines of this name wait too.");
  expect(oddness(request("k", { conflict: "key" }), all)).toContain("key of a known device");
});

it("finds nothing odd in another site, in what is decided, or in itself", () => {
  const one = request("a");
  expect(oddness(one, [one, request("b", { site_id: 2 }), request("c", { state: "denied" })])).toBeNull();
  expect(oddness(request("d", { state: "approved", conflict: "key" }), [])).toBeNull();
});

it("keeps apart what can be approved with others and what needs a word of its own", () => {
  const { plain, clashing } = approvable([request("a"), request("b", { conflict: "key" })]);
  expect([plain.map((one) => one.id), clashing.map((one) => one.id)]).toEqual([["a"], ["b"]]);
});

it("reads a fingerprint in groups", () => {
  expect(readableFingerprint("sha256:00aaffbb12")).toBe("sha256:00aa ffbb 12");
});
