import { useEffect, useState } from "react";
import { bytes } from "@/lib/bytes";
import { followOutput, type OutputState, type StreamName } from "@/lib/output-stream";
import { createTerminal, type Line } from "@/lib/terminal";

export interface Output {
  lines: Readonly<Record<StreamName, readonly Line[]>>;
  /** Of each stream as it was written, kept or not. */
  sizes: Readonly<Record<StreamName, number>>;
  /** Bytes that were not kept. */
  lost: Readonly<Record<StreamName, number>>;
  state: OutputState;
}

const NOTHING: Output = {
  lines: { stdout: [], stderr: [] },
  sizes: { stdout: 0, stderr: 0 },
  lost: { stdout: 0, stderr: 0 },
  state: "connecting",
};

/** What comes meanwhile is shown together. */
const SHOWN_EVERY_MILLISECONDS = 60;

const mark = (lost: number): string => `\r\n\u001b[0;7m[… ${bytes(lost)} were not kept …]\u001b[0m\r\n`;

/** An execution's output as it comes, as lines. */
export const useOutput = (executionId: string | null): Output => {
  const [shown, setShown] = useState<{ of: string | null; output: Output }>({ of: null, output: NOTHING });
  useEffect(() => {
    if (executionId === null) return;
    const terminals = { stdout: createTerminal(), stderr: createTerminal() };
    const sizes = { stdout: 0, stderr: 0 };
    const lost = { stdout: 0, stderr: 0 };
    let state: OutputState = "connecting";
    let timer: ReturnType<typeof setTimeout> | undefined;
    const show = (): void => {
      timer = undefined;
      const lines = { stdout: terminals.stdout.lines(), stderr: terminals.stderr.lines() };
      setShown({ of: executionId, output: { lines, sizes: { ...sizes }, lost: { ...lost }, state } });
    };
    const soon = (): void => {
      timer ??= setTimeout(show, SHOWN_EVERY_MILLISECONDS);
    };
    const lose = (stream: StreamName, number: number): void => {
      if (number === 0) return;
      lost[stream] += number;
      sizes[stream] += number;
      terminals[stream].write(mark(number));
    };
    const stop = followOutput(executionId, {
      onText: (stream, text, size, skipped) => {
        lose(stream, skipped);
        terminals[stream].write(text);
        sizes[stream] += size;
        soon();
      },
      onState: (next) => {
        state = next;
        soon();
      },
      onEnd: (missing) => {
        lose("stdout", missing.stdout);
        lose("stderr", missing.stderr);
      },
    });
    return () => {
      stop();
      clearTimeout(timer);
    };
  }, [executionId]);
  return shown.of === executionId ? shown.output : NOTHING;
};
