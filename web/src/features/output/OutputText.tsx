import { ActionIcon, Button, TextInput, Tooltip } from "@mantine/core";
import { useVirtualizer } from "@tanstack/react-virtual";
import { type ReactNode, useLayoutEffect, useMemo, useRef, useState } from "react";
import { findText, type Found, nextFound } from "@/lib/find-text";
import { createKeptStore, useStore } from "@/lib/store";
import { type Line, textOf } from "@/lib/terminal";
import { Icon } from "@/ui/icons";
import { type Mark, OutputLine } from "./OutputLine";
import classes from "./output.module.css";

interface OutputTextProps {
  /** What it is, for those who cannot see it: “Standard output of crane-01”. */
  label: string;
  lines: readonly Line[];
  /** More may come. */
  isLive: boolean;
  /** Before what finds in it. */
  start: ReactNode;
  /** Behind it, such as the download. */
  end: ReactNode;
  /** What to say where there is no line. */
  empty: string;
}

const LINE = 18;
/** So near to the end counts as at the end. */
const NEAR = 24;
const NONE: readonly Mark[] = [];
const wrapStore = createKeptStore("watchbill.output.wrap", true, (value): value is boolean => typeof value === "boolean");

/** Lines of output, any number of them. What comes is followed while one is at the end; who scrolled up is left in peace. */
export const OutputText = ({ label, lines, isLive, start, end, empty }: OutputTextProps) => {
  const scroller = useRef<HTMLDivElement>(null);
  const isWrapped = useStore(wrapStore);
  const [isFollowing, setIsFollowing] = useState(true);
  const virtual = useVirtualizer({
    count: lines.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => LINE,
    overscan: 20,
  });
  const count = lines.length;
  const height = virtual.getTotalSize();
  /** How far it was scrolled last by us: whoever is above that has scrolled up, also before the event that says so. */
  const reached = useRef(0);
  useLayoutEffect(() => {
    const one = scroller.current;
    if (!one || !isFollowing || one.scrollTop < reached.current - NEAR) return;
    one.scrollTop = one.scrollHeight;
    reached.current = one.scrollTop;
  }, [lines, height, isFollowing, isWrapped]);
  const scrolled = ({ scrollHeight, scrollTop, clientHeight }: HTMLDivElement): void => {
    if (scrollHeight - scrollTop - clientHeight < NEAR) setIsFollowing(true);
    else if (scrollTop < reached.current) setIsFollowing(false); // not where more has come below meanwhile
  };
  const follow = (): void => {
    reached.current = 0;
    setIsFollowing(true);
  };
  const find = useFind(lines, (line) => {
    setIsFollowing(false);
    virtual.scrollToIndex(line, { align: "center" });
  });
  const items = virtual.getVirtualItems();
  return (
    <>
      <div className={classes.tools}>
        {start}
        <FindField find={find} from={items[0]?.index ?? 0} />
        <span className={classes.end}>
          <Tooltip label={isWrapped ? "Do not break long lines" : "Break long lines"}>
            <ActionIcon
              aria-label="Break long lines"
              aria-pressed={isWrapped}
              variant={isWrapped ? "light" : "subtle"}
              onClick={() => wrapStore.set(!isWrapped)}
            >
              <Icon name="wrap" />
            </ActionIcon>
          </Tooltip>
          {end}
        </span>
      </div>
      <div className={classes.frame}>
        <div
          ref={scroller}
          className={classes.scroller}
          data-wrap={isWrapped}
          // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- a part that scrolls must be reached by the keyboard
          tabIndex={0}
          role="region"
          aria-label={label}
          onScroll={(event) => scrolled(event.currentTarget)}
        >
          {count === 0 ? (
            <p className={classes.empty}>{empty}</p>
          ) : (
            <div className={classes.lines} style={{ height }}>
              {items.map((item) => (
                <div
                  key={item.key}
                  ref={virtual.measureElement}
                  data-index={item.index}
                  className={classes.line}
                  style={{ transform: `translateY(${item.start}px)` }}
                >
                  <OutputLine line={lines[item.index] ?? []} marks={find.marks.get(item.index) ?? NONE} />
                </div>
              ))}
            </div>
          )}
        </div>
        {!isFollowing && (
          <Button
            className={classes.follow}
            variant="filled"
            size="compact-xs"
            leftSection={<Icon name="follow" size={13} />}
            onClick={follow}
          >
            {isLive ? "Follow" : "To the end"}
          </Button>
        )}
      </div>
    </>
  );
};

interface Find {
  q: string;
  setQ: (q: string) => void;
  found: readonly Found[];
  current: number | null;
  go: (step: 1 | -1, from: number) => void;
  marks: ReadonlyMap<number, readonly Mark[]>;
}

const useFind = (lines: readonly Line[], show: (line: number) => void): Find => {
  const [q, setQ] = useState("");
  const [current, setCurrent] = useState<number | null>(null);
  const found = useMemo(() => (q ? findText(lines.map(textOf), q) : []), [lines, q]);
  const marks = useMemo(() => {
    const all = new Map<number, Mark[]>();
    found.forEach(({ line, begins, ends }, place) => {
      all.set(line, [...(all.get(line) ?? []), { begins, ends, isCurrent: place === current }]);
    });
    return all;
  }, [found, current]);
  const go = (step: 1 | -1, from: number): void => {
    const next = nextFound(found, current, step, from);
    setCurrent(next);
    const place = next === null ? undefined : found[next];
    if (place) show(place.line);
  };
  const search = (text: string): void => {
    setQ(text);
    setCurrent(null);
  };
  return { q, setQ: search, found, current, go, marks };
};

const FindField = ({ find, from }: { find: Find; from: number }) => {
  const { q, found, current, go } = find;
  const number = found.length.toLocaleString("en");
  return (
    <div className={classes.find} role="search">
      <TextInput
        size="xs"
        aria-label="Find in the output"
        placeholder="Find in the output"
        value={q}
        onChange={(event) => find.setQ(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key === "Enter") go(event.shiftKey ? -1 : 1, from);
          if (event.key === "Escape") find.setQ("");
        }}
        w={150}
      />
      {q && (
        <>
          <span className={classes.number} role="status">
            {found.length === 0 ? "not found" : current === null ? number : `${(current + 1).toLocaleString("en")} of ${number}`}
          </span>
          <ActionIcon aria-label="Place before" disabled={found.length === 0} onClick={() => go(-1, from)}>
            <Icon name="up" />
          </ActionIcon>
          <ActionIcon aria-label="Next place" disabled={found.length === 0} onClick={() => go(1, from)}>
            <Icon name="down" />
          </ActionIcon>
        </>
      )}
    </div>
  );
};
