import { useRouter } from "@tanstack/react-router";
import { asProblem } from "@/api/problem";
import { ProblemAlert } from "@/ui/ProblemAlert";

/** In place of a page that failed; the navigation around it still works. */
export const PageFault = ({ error, reset }: { error: unknown; reset?: () => void }) => {
  const router = useRouter();
  const again = (): void => {
    reset?.();
    void router.invalidate();
  };
  return (
    <div style={{ padding: "1rem", maxWidth: "48rem" }}>
      <ProblemAlert problem={asProblem(error)} onRetry={again} />
    </div>
  );
};
