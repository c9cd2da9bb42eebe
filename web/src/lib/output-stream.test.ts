import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { followOutput } from "./output-stream";

class Source extends EventTarget {
  static readonly CLOSED = 2;
  static made: Source[] = [];
  readyState = 0;
  onopen: (() => void) | null = null;
  onerror: (() => void) | null = null;
  constructor(readonly url: string) {
    super();
    Source.made.push(this);
  }
  close(): void {
    this.readyState = Source.CLOSED;
  }
  tell(kind: string, data: unknown): void {
    this.dispatchEvent(new MessageEvent(kind, { data: JSON.stringify(data) }));
  }
}
const source = (place: number): Source => {
  const found = Source.made[place];
  if (!found) throw new Error("no such stream");
  return found;
};
const piece = (offset: number, text: string | null, more: object = {}) => ({
  stream: "stderr",
  offset,
  text,
  base64: null,
  skipped: 0,
  ...more,
});
const reader = { onText: vi.fn(), onState: vi.fn(), onEnd: vi.fn() };
const said = (): string => reader.onText.mock.calls.map(([, text]) => String(text)).join("");

let stop: () => void;
beforeEach(() => {
  vi.useFakeTimers();
  Source.made = [];
  vi.stubGlobal("EventSource", Source);
  Object.values(reader).forEach((one) => one.mockReset());
  stop = followOutput("e-1", reader);
});
afterEach(() => {
  stop();
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

it("hands on each piece once, and ends with the execution", () => {
  source(0).onopen?.();
  source(0).tell("output", piece(0, "one "));
  source(0).tell("output", piece(0, "one ")); // told again
  source(0).tell("output", piece(4, "two"));
  source(0).tell("output", piece(0, "!", { stream: "stdout" }));
  source(0).tell("end", { exit_code: 3, stdout_bytes: 1, stderr_bytes: 9 });
  expect(reader.onText.mock.calls).toEqual([
    ["stderr", "one ", 4, 0],
    ["stderr", "two", 3, 0],
    ["stdout", "!", 1, 0],
  ]);
  expect(reader.onState.mock.calls.flat()).toEqual(["connecting", "following", "ended"]);
  expect(reader.onEnd).toHaveBeenCalledWith({ stdout: 0, stderr: 2 });
  expect(source(0).readyState).toBe(Source.CLOSED);
});

it("begins anew where the browser gave up, from the bytes that came", () => {
  source(0).tell("output", piece(0, "ä")); // two bytes
  source(0).onerror?.();
  expect(Source.made).toHaveLength(1); // the browser resumes by itself
  source(0).close();
  source(0).onerror?.();
  vi.advanceTimersByTime(1_000);
  expect(source(1).url).toMatch(/stream=both&stdout_offset=0&stderr_offset=2$/);
  expect(reader.onState.mock.lastCall).toEqual(["reconnecting"]);
  source(1).onopen?.();
  expect(reader.onState.mock.lastCall).toEqual(["following"]);
});

it("puts a character together that two pieces share, and gives one up that a gap cut off", () => {
  source(0).tell("output", piece(0, null, { base64: btoa("\xc3") }));
  source(0).tell("output", piece(1, null, { base64: btoa("\xa4\xc3") }));
  source(0).tell("output", piece(103, "z", { skipped: 100 }));
  expect(said()).toBe("ä\ufffdz");
  expect(reader.onText.mock.lastCall).toEqual(["stderr", "\ufffdz", 1, 100]);
});
