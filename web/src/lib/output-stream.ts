/**
 * One execution's output as it comes: pieces of each stream in their order, each once, whatever becomes of the connection. The browser
 * resumes a broken stream by itself from the last event that it has; where it has given up, a new one goes on from the bytes that came.
 */

export const STREAMS = ["stdout", "stderr"] as const;
export type StreamName = (typeof STREAMS)[number];
export type OutputState = "connecting" | "following" | "reconnecting" | "ended";

export interface OutputEnd {
  outcome: string | null;
  exit_code: number | null;
  stdout_bytes: number;
  stderr_bytes: number;
  truncated: boolean;
}

export interface OutputReader {
  /** Text that came next in a stream, and how many bytes that is. `skipped` bytes before it were not kept. */
  onText: (stream: StreamName, text: string, size: number, skipped: number) => void;
  onState: (state: OutputState) => void;
  /** So many bytes at the end of each stream were not kept. */
  onEnd: (missing: Readonly<Record<StreamName, number>>) => void;
}

const RETRY_MILLISECONDS = [1_000, 2_000, 5_000, 10_000];

interface Piece {
  stream: StreamName;
  offset: number;
  skipped: number;
  text: string | null;
  base64: string | null;
}

/** Read until the end, or until the returned function is called. */
export const followOutput = (executionId: string, reader: OutputReader): (() => void) => {
  // A piece may end within a character; then it comes as bytes, and the next one brings the rest.
  const decoders = { stdout: new TextDecoder(), stderr: new TextDecoder() };
  const reached = { stdout: 0, stderr: 0 };
  let failures = 0;
  let isOver = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let source: EventSource | undefined;
  const take = ({ stream, offset, skipped, text, base64 }: Piece): void => {
    if (offset < reached[stream]) return;
    const bytes = text === null ? fromBase64(base64 ?? "") : new TextEncoder().encode(text);
    reached[stream] = offset + bytes.length;
    const before = skipped > 0 ? decoders[stream].decode() : ""; // what a gap cut off is never made whole
    reader.onText(stream, before + decoders[stream].decode(bytes, { stream: true }), bytes.length, skipped);
  };
  const open = (): void => {
    const query = `stream=both&stdout_offset=${reached.stdout}&stderr_offset=${reached.stderr}`;
    source = new EventSource(`/api/executions/${encodeURIComponent(executionId)}/output/follow?${query}`);
    source.onopen = () => {
      failures = 0;
      reader.onState("following");
    };
    source.onerror = () => {
      if (isOver) return;
      reader.onState("reconnecting");
      if (source?.readyState !== EventSource.CLOSED) return; // it tries again by itself, and resumes
      timer = setTimeout(open, RETRY_MILLISECONDS[Math.min(failures++, RETRY_MILLISECONDS.length - 1)]);
    };
    source.addEventListener("output", (event: MessageEvent<string>) => take(JSON.parse(event.data) as Piece));
    source.addEventListener("end", (event: MessageEvent<string>) => {
      isOver = true;
      source?.close();
      const end = JSON.parse(event.data) as OutputEnd;
      reader.onEnd({
        stdout: Math.max(0, end.stdout_bytes - reached.stdout),
        stderr: Math.max(0, end.stderr_bytes - reached.stderr),
      });
      reader.onState("ended");
    });
  };
  reader.onState("connecting");
  open();
  return () => {
    isOver = true;
    clearTimeout(timer);
    source?.close();
  };
};

const fromBase64 = (text: string): Uint8Array => Uint8Array.from(atob(text), (one) => one.charCodeAt(0));
