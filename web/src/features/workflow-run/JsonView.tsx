import { CodeView } from "@/ui/CodeView";
import { boundedJson } from "./json";
import classes from "./workflow-run.module.css";

/** A value as JSON, as far as it can be read at a time. */
export const JsonView = ({ label, value }: { label: string; value: unknown }) => {
  const { text, left } = boundedJson(value);
  return (
    <>
      <CodeView label={label} value={text} language="json" maxLines={18} />
      {left > 0 && (
        <p className={classes.note}>
          The first {text.length.toLocaleString("en")} characters are shown, of {left.toLocaleString("en")} more.
        </p>
      )}
    </>
  );
};
