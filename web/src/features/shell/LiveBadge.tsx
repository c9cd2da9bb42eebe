import { Tooltip } from "@mantine/core";
import { type LiveState, liveState } from "@/lib/live";
import { useStore } from "@/lib/store";
import { Icon } from "@/ui/icons";
import classes from "./shell.module.css";

const WORDS: Readonly<Record<LiveState, readonly [string, string]>> = {
  off: ["Not live", "This page does not follow what happens."],
  connecting: ["Connecting", "The stream of events is being opened."],
  live: ["Live", "What happens is shown as it happens."],
  reconnecting: ["Reconnecting", "The stream of events was lost. What you see may be old until it is back."],
};

/** Whether what is shown follows what happens. */
export const LiveBadge = () => {
  const state = useStore(liveState);
  const [word, sentence] = WORDS[state];
  return (
    <Tooltip label={sentence}>
      <span className={classes.live} data-state={state} role="status" aria-label={`${word}. ${sentence}`}>
        <Icon name={state === "live" ? "live" : "connecting"} size={14} />
        <span className={classes.liveWord}>{word}</span>
      </span>
    </Tooltip>
  );
};
