import { createStore } from "./store";

/**
 * Live events: one stream for all tabs of a browser, as browsers open few connections to a host. The tab that holds the lock reads
 * the stream and hands each event to the others. The browser resumes a broken stream by itself, from the last event it has; where
 * events may have been lost, listeners of `reset` read everything again.
 */

/** Every kind there is; see src/watchbill/api/events.py. `reset` says that events were missed. */
export const KINDS = [
  "job.changed",
  "occurrence.changed",
  "run.progress",
  "target.changed",
  "device.online",
  "device.service_account",
  "onboarding.changed",
  "approval.created",
  "approval.decided",
  "filter.changed",
  "window.changed",
  "outage.noticed",
  "outage.released",
  "workflow.changed",
  "reset",
] as const;
export type Kind = (typeof KINDS)[number];
export type LiveState = "off" | "connecting" | "live" | "reconnecting";
export type LiveEvent = Readonly<Record<string, unknown>>;
type Listener = (event: LiveEvent, kind: Kind) => void;
type Message = { kind: Kind; data: LiveEvent } | { state: LiveState } | { asks: true };

const RETRY_MILLISECONDS = [1_000, 2_000, 5_000, 10_000];

export const liveState = createStore<LiveState>("off");
const listeners = new Map<Kind, Set<Listener>>();

/** Call `listener` for each event of these kinds; returns how to stop. */
export const onLive = (kinds: readonly Kind[], listener: Listener): (() => void) => {
  for (const kind of kinds) listeners.set(kind, (listeners.get(kind) ?? new Set()).add(listener));
  return () => kinds.forEach((kind) => listeners.get(kind)?.delete(listener));
};

const dispatch = (kind: Kind, data: LiveEvent): void => listeners.get(kind)?.forEach((one) => one(data, kind));

/** Follow the stream until the returned function is called. */
export const startLive = (url = "/api/events"): (() => void) => {
  const stopping = new AbortController();
  const channel = typeof BroadcastChannel === "undefined" ? null : new BroadcastChannel("watchbill.live");
  let isReading = false;
  const tell = (message: Message): void => {
    if ("state" in message) liveState.set(message.state);
    else if ("kind" in message) dispatch(message.kind, message.data);
    channel?.postMessage(message);
  };
  channel?.addEventListener("message", ({ data }: MessageEvent<Message>) => {
    if ("asks" in data) {
      if (isReading) channel.postMessage({ state: liveState.get() } satisfies Message);
    } else if ("state" in data) liveState.set(data.state);
    else dispatch(data.kind, data.data);
  });
  liveState.set("connecting");
  channel?.postMessage({ asks: true } satisfies Message);
  const read = (): Promise<void> => {
    isReading = true;
    return follow(url, stopping.signal, tell);
  };
  // Without locks (a page that is not secure) each tab reads for itself.
  const locks = "locks" in navigator && channel ? navigator.locks : null;
  const reading = locks ? locks.request("watchbill.live", { signal: stopping.signal }, read) : read();
  reading.catch(() => undefined); // the lock was waited for when everything stopped
  return () => {
    stopping.abort();
    channel?.close();
    liveState.set("off");
  };
};

/** Read the stream until told to stop, with a new one wherever the browser has given one up. */
const follow = (url: string, signal: AbortSignal, tell: (message: Message) => void): Promise<void> =>
  new Promise((resolve) => {
    // The lock may come in the very moment in which everything stops: a reader then would keep it for ever.
    if (signal.aborted) {
      resolve();
      return;
    }
    let source: EventSource;
    let failures = 0;
    let timer: ReturnType<typeof setTimeout> | undefined;
    let isGap = liveState.get() === "live"; // another tab was reading, and what it got since is not known here
    const open = (): void => {
      source = new EventSource(url);
      source.onopen = () => {
        failures = 0;
        tell({ state: "live" });
        if (isGap) tell({ kind: "reset", data: {} });
        isGap = false;
      };
      source.onerror = () => {
        tell({ state: "reconnecting" });
        if (source.readyState !== EventSource.CLOSED) return; // it tries again by itself, and resumes
        isGap = true;
        timer = setTimeout(open, RETRY_MILLISECONDS[Math.min(failures++, RETRY_MILLISECONDS.length - 1)]);
      };
      for (const kind of KINDS) {
        source.addEventListener(kind, (event: MessageEvent<string>) => tell({ kind, data: parsed(event.data) }));
      }
    };
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      source.close();
      resolve();
    });
    open();
  });

const parsed = (text: string): LiveEvent => {
  const data: unknown = JSON.parse(text || "{}");
  return typeof data === "object" && data !== null ? (data as LiveEvent) : {};
};
