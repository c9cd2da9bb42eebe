import { memo, type ReactNode } from "react";
import type { Line, Look } from "@/lib/terminal";
import classes from "./output.module.css";

/** More of one line is not drawn: browsers stand still on a line of a million characters. */
const LONGEST = 5_000;

export interface Mark {
  begins: number;
  ends: number;
  isCurrent: boolean;
}

interface OutputLineProps {
  line: Line;
  marks: readonly Mark[];
}

/** A line of output with its colours, and with marks where something was found. */
export const OutputLine = memo(({ line, marks }: OutputLineProps) => {
  const parts: ReactNode[] = [];
  let at = 0;
  for (const { text, look } of line) {
    const shown = text.slice(0, Math.max(0, LONGEST - at));
    for (const [from, to, mark] of split(at, at + shown.length, marks)) {
      const piece = <Painted key={from} text={shown.slice(from - at, to - at)} look={look} />;
      parts.push(
        mark ? (
          <mark key={from} data-current={mark.isCurrent}>
            {piece}
          </mark>
        ) : (
          piece
        ),
      );
    }
    at += text.length;
  }
  if (at > LONGEST)
    parts.push(
      <span key="more" className={classes.more}>
        {" "}
        … {(at - LONGEST).toLocaleString("en")} more characters, in the download
      </span>,
    );
  return <>{parts.length > 0 ? parts : "\u00a0"}</>;
});
OutputLine.displayName = "OutputLine";

const Painted = ({ text, look }: { text: string; look: Look | null }) => {
  if (look === null) return text;
  const { colour, background, ...flags } = look;
  return (
    <span
      className={classes.painted}
      data-colour={typeof colour === "number" ? colour : undefined}
      data-background={typeof background === "number" ? background : undefined}
      data-look={Object.keys(flags).join(" ") || undefined}
      style={{
        color: typeof colour === "string" ? colour : undefined,
        backgroundColor: typeof background === "string" ? background : undefined,
      }}
    >
      {text}
    </span>
  );
};

/** A stretch of a line cut where marks begin and end. */
const split = (from: number, to: number, marks: readonly Mark[]): [number, number, Mark | null][] => {
  const cuts = marks.flatMap((one) => [one.begins, one.ends]).filter((one) => one > from && one < to);
  const all = [...new Set([from, ...cuts, to])].sort((one, other) => one - other);
  return all
    .slice(0, -1)
    .map((begin, place) => [begin, all[place + 1] ?? to, marks.find((one) => one.begins <= begin && begin < one.ends) ?? null]);
};
