import { expect, it } from "vitest";
import type { Execution } from "@/api/runs";
import { usualExecution, usualStream } from "./choices";

const execution = (id: string, outcome: string | null) => ({ id, outcome }) as Execution;

it("shows what ran last, not what was left out behind it", () => {
  expect(usualExecution([execution("a", "exited"), execution("b", "exited"), execution("c", "skipped")])?.id).toBe("b");
  expect(usualExecution([execution("c", "skipped")])?.id).toBe("c");
  expect(usualExecution([])).toBeNull();
});

it.each([
  [{ stdout: 5, stderr: 5 }, false, null, "stdout"],
  [{ stdout: 5, stderr: 5 }, true, null, "stderr"],
  [{ stdout: 0, stderr: 5 }, false, "stdout", "stderr"],
  [{ stdout: 5, stderr: 5 }, true, "stdout", "stdout"],
  [{ stdout: 0, stderr: 0 }, true, null, "stdout"],
] as const)("of %o, failed %s, after %s shows %s", (sizes, failed, before, stream) => {
  expect(usualStream(sizes, failed, before)).toBe(stream);
});
