import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { liveState, onLive, startLive } from "./live";

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
}
const source = (place: number): Source => {
  const found = Source.made[place];
  if (!found) throw new Error("no such stream");
  return found;
};

let stop: () => void;
beforeEach(() => {
  vi.useFakeTimers();
  Source.made = [];
  vi.stubGlobal("EventSource", Source);
  vi.stubGlobal("BroadcastChannel", undefined);
  stop = startLive();
});
afterEach(() => {
  stop();
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

it("hands events to who listens for their kind, until he stops", () => {
  const heard = vi.fn();
  const quiet = onLive(["job.changed"], heard);
  source(0).dispatchEvent(new MessageEvent("job.changed", { data: '{"job_id":7}' }));
  source(0).dispatchEvent(new MessageEvent("device.online", { data: "{}" }));
  quiet();
  source(0).dispatchEvent(new MessageEvent("job.changed", { data: '{"job_id":8}' }));
  expect(heard.mock.calls).toEqual([[{ job_id: 7 }, "job.changed"]]);
});

it("leaves a broken stream to the browser, and begins anew where it gave up, telling that events were missed", () => {
  const reset = vi.fn();
  const quiet = onLive(["reset"], reset);
  source(0).onopen?.();
  expect(liveState.get()).toBe("live");
  source(0).onerror?.();
  expect([liveState.get(), Source.made.length]).toEqual(["reconnecting", 1]);
  source(0).readyState = Source.CLOSED;
  source(0).onerror?.();
  vi.advanceTimersByTime(1_000);
  source(1).onopen?.();
  expect([liveState.get(), reset.mock.calls.length]).toEqual(["live", 1]);
  quiet();
});

it("opens no stream where its turn to read comes as everything stops", async () => {
  let read: () => Promise<void> = () => Promise.resolve();
  class Channel {
    addEventListener = vi.fn();
    postMessage = vi.fn();
    close = vi.fn();
  }
  const request = (_name: string, _options: unknown, turn: () => Promise<void>) => {
    read = turn;
    return Promise.resolve();
  };
  vi.stubGlobal("BroadcastChannel", Channel);
  vi.stubGlobal("navigator", { locks: { request } });
  const before = Source.made.length;
  startLive()();
  await read();
  expect(Source.made.length).toBe(before);
});
