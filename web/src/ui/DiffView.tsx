import { Loader } from "@mantine/core";
import { useEffect, useRef, useState } from "react";
import { pageNonce } from "@/lib/nonce";
import { useIsPhone } from "@/lib/use-is-phone";
import type { CodeLanguage } from "./code-language";

interface DiffViewProps {
  before: string;
  after: string;
  language: CodeLanguage;
  /** What the two sides are: “Revision 3”, “Revision 4”. */
  labels: readonly [string, string];
  height?: string;
}

/** What changed between two texts, side by side; on a phone below one another. */
export const DiffView = ({ before, after, language, labels, height = "24rem" }: DiffViewProps) => {
  const place = useRef<HTMLDivElement>(null);
  const [isThere, setIsThere] = useState(false);
  const [left, right] = labels;
  const isStacked = useIsPhone();
  useEffect(() => {
    const parent = place.current;
    if (!parent) return;
    let made: { destroy: () => void } | null = null;
    let isGone = false;
    void import("./code-mirror")
      .then(({ createDiff }) =>
        isGone ? null : createDiff({ parent, before, after, labels: [left, right], language, nonce: pageNonce(), isStacked }),
      )
      .then((view) => {
        made = view;
        if (isGone) view?.destroy();
        else setIsThere(true);
      });
    return () => {
      isGone = true;
      made?.destroy();
      setIsThere(false);
    };
  }, [before, after, language, left, right, isStacked]);
  return (
    <div className="wb-panel" style={{ height, overflow: "auto" }}>
      <div
        style={{
          display: "grid",
          gridTemplateColumns: isStacked ? "1fr" : "1fr 1fr",
          padding: "0.3rem 0.75rem",
          fontSize: "0.75rem",
          fontWeight: 600,
        }}
      >
        <span>{isStacked ? `− ${left}` : left}</span>
        <span>{isStacked ? `+ ${right}` : right}</span>
      </div>
      {!isThere && <Loader size="sm" m="md" aria-label="Loading the comparison" />}
      <div ref={place} />
    </div>
  );
};
