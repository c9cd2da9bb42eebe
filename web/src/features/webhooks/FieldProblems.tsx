import type { Delivery } from "@/api/webhooks";

/** What is wrong with a body, each with its place. */
export const FieldProblems = ({ problems }: { problems: Delivery["problems"] }) =>
  problems.length === 0 ? null : (
    <ul style={{ margin: 0, paddingLeft: "1.1rem" }}>
      {problems.map((one) => (
        <li key={`${one.field} ${one.code}`}>
          <code>{one.field}</code> {one.message}
        </li>
      ))}
    </ul>
  );
