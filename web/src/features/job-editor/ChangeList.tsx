import type { Change } from "./changes";
import { asLines, numbersOf, ownLines } from "./definition-text";
import { fieldInWords, valueInWords } from "./field-words";
import type { Target } from "./form";
import classes from "./job-editor.module.css";
import { AssemblyName, CredentialNames, SiteName, TargetLabel } from "./names";

interface ChangeListProps {
  changes: readonly Change[];
  /** What the two sides are. */
  sides?: readonly [string, string];
}

/** So many are told one by one. */
const SHOWN = 100;

/** What changes, field by field: as it was, and as it will be. */
export const ChangeList = ({ changes, sides = ["Before", "After"] }: ChangeListProps) => (
  <div className={classes.changes}>
    <table>
      <thead>
        <tr>
          <th scope="col">Field</th>
          <th scope="col">{sides[0]}</th>
          <th scope="col">{sides[1]}</th>
        </tr>
      </thead>
      <tbody>
        {changes.slice(0, SHOWN).map((one) => (
          <tr key={one.field}>
            <th scope="row">{fieldInWords(one.field)}</th>
            <td>
              <Value field={one.field} value={one.before} other={one.after} />
            </td>
            <td>
              <Value field={one.field} value={one.after} other={one.before} />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
    {changes.length > SHOWN && <p>and {(changes.length - SHOWN).toLocaleString("en")} more</p>}
  </div>
);

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> => typeof value === "object" && value !== null;

const isTarget = (field: string, value: unknown): value is Target =>
  /(^|\.)(targets|exclusions)\./.test(field) && isRecord(value) && "kind" in value;

const withoutNulls = (value: unknown): unknown => JSON.parse(JSON.stringify(value, (_, one: unknown) => one ?? undefined));

const SCOPE = /^targets\.(0|onboarding_scope)\.(entries|exclusions)$/;

const Value = ({ field, value, other }: { field: string; value: unknown; other: unknown }) => {
  if (SCOPE.test(field)) return <pre className={classes.raw}>{ownLines(value, other)}</pre>;
  if (field === "credential_ids") return <CredentialNames ids={numbersOf(value)} />;
  if (/^targets\.(0|onboarding_scope)\.site_id$/.test(field) && typeof value === "number") return <SiteName id={value} />;
  if (isTarget(field, value)) return <TargetLabel target={value} />;
  if (field.endsWith(".order")) return <>another one</>;
  if (field.endsWith(".assembly_id") && typeof value === "string") return <AssemblyName id={value} />;
  if (/^components\.\d+$/.test(field) && isRecord(value)) return <AssemblyName id={String(value["assembly_id"])} />;
  if (isRecord(value) && !("is_set" in value) && !Array.isArray(value))
    return <pre className={classes.raw}>{asLines(withoutNulls(value))}</pre>;
  return <>{valueInWords(field, value)}</>;
};
