import { useEffect, useState } from "react";
import { duration } from "@/lib/time";
import classes from "./run-table.module.css";

/** How long a connection may still take to be made. It counts every second: somebody looks at it because little happens. */
export const Countdown = ({ until }: { until: string }) => {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, []);
  const seconds = Math.ceil((new Date(until).getTime() - now) / 1000);
  return (
    <span className={classes.under}>
      {seconds > 0 ? `Its connection is being made: ${duration(seconds)} left` : "Its connection takes longer than it may"}
    </span>
  );
};
