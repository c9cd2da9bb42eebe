import { Button } from "@mantine/core";
import { useInfiniteQuery } from "@tanstack/react-query";
import { type FilterAim, previewQuery } from "@/api/filters";
import { asProblem } from "@/api/problem";
import { paths } from "@/lib/paths";
import { AppLink } from "@/ui/AppLink";
import { StateBadge } from "@/ui/StateBadge";
import { TitledPanel } from "@/ui/TitledPanel";
import classes from "./filters.module.css";

type Preview = ReturnType<typeof usePreview>;

/** Whom criteria find, anew at every change of them; what was found before stays in sight meanwhile. */
export const usePreview = (aim: FilterAim | null) =>
  useInfiniteQuery({ ...previewQuery(aim), placeholderData: (before) => before, retry: false });

interface PreviewPanelProps {
  preview: Preview;
  /** Why nothing is asked now; null where it is. */
  waitsFor: string | null;
}

/** Whom the criteria find now: in words, how many, and each with why. */
export const PreviewPanel = ({ preview, waitsFor }: PreviewPanelProps) => {
  const first = preview.data?.pages[0];
  const isOld = waitsFor !== null || preview.isPlaceholderData || preview.isError;
  return (
    <TitledPanel title="Whom it finds now" flush>
      <div
        aria-live="polite"
        aria-busy={preview.isFetching}
        style={{ padding: "0.75rem 0.9rem", opacity: isOld && first ? 0.6 : 1 }}
      >
        {waitsFor !== null && <p className={classes.words}>{waitsFor}</p>}
        {preview.isError && waitsFor === null && (
          <p className={classes.words} role="alert">
            {refusal(preview.error)}
          </p>
        )}
        {first && <Found first={first} />}
        {!first && waitsFor === null && !preview.isError && <p className={classes.words}>Looking…</p>}
      </div>
      {first && !preview.isError && (
        <ul className={classes.matches} aria-label="Devices that it finds">
          {preview.data?.pages.flatMap((page) =>
            page.items.map((one) => (
              <li key={one.device_id}>
                <span className={classes.matchHead}>
                  <AppLink to={paths.device(one.device_id)} className={classes.link}>
                    {one.hostname}
                  </AppLink>
                  <span className={classes.dim}>
                    {one.site_name ?? "no site"} <StateBadge plain state={one.online ? "online" : "offline"} />
                  </span>
                </span>
                <ul className={classes.why}>
                  {one.why.map((reason) => (
                    <li key={reason}>{reason}</li>
                  ))}
                </ul>
              </li>
            )),
          )}
          {preview.hasNextPage && (
            <li>
              <Button variant="subtle" loading={preview.isFetchingNextPage} onClick={() => void preview.fetchNextPage()}>
                Show more
              </Button>
            </li>
          )}
        </ul>
      )}
    </TitledPanel>
  );
};

/** What is wrong with a criterion stands there; here only what belongs to none. */
const refusal = (error: Error): string =>
  asProblem(error).errors.length > 0 ? "This cannot be asked yet; what is wrong is said in its place." : error.message;

const Found = ({ first }: { first: { in_words: string; devices: number; online: number; offline: number } }) => (
  <>
    <p className={classes.words}>{first.in_words}</p>
    <div className={classes.count}>
      <span>
        <strong>{first.devices.toLocaleString("en")}</strong> {first.devices === 1 ? "device" : "devices"}
      </span>
      <StateBadge plain state="online" />
      <span>{first.online.toLocaleString("en")}</span>
      <StateBadge plain state="offline" />
      <span>{first.offline.toLocaleString("en")}</span>
    </div>
  </>
);
