import { expect, it } from "vitest";
import { expiryOf, tokenState } from "./expiry";

const NOW = new Date("2026-05-04T07:00:00Z");

it("ends after its lifetime, or never", () => {
  expect(expiryOf("7", "", NOW)).toBe("2026-05-11T07:00:00.000Z");
  expect(expiryOf("never", "", NOW)).toBeNull();
  expect(expiryOf("at", new Date("2026-06-01T10:00:00").toISOString(), NOW)).not.toBeNull();
});

it("is revoked before it is expired", () => {
  const past = "2026-05-01T00:00:00Z";
  expect(tokenState({ expires_at: past, revoked_at: past }, NOW)).toBe("revoked");
  expect(tokenState({ expires_at: past, revoked_at: null }, NOW)).toBe("expired");
  expect(tokenState({ expires_at: null, revoked_at: null }, NOW)).toBe("active");
});
