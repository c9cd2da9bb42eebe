import { useEffect, useState } from "react";
import { duration } from "@/lib/time";

/** How long until then, counted every second. */
export const TimeLeft = ({ until, over }: { until: string; over: string }) => {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, []);
  const seconds = Math.ceil((new Date(until).getTime() - now) / 1000);
  return <span role="timer">{seconds > 0 ? `${duration(seconds)} left` : over}</span>;
};
