import { Select } from "@mantine/core";
import { useEffect, useRef } from "react";
import classes from "./filters.module.css";
import { fieldWord, operatorWord, withField } from "./fields";
import { NodeTools } from "./NodeTools";
import { type Criterion, updateCriterion } from "./tree";
import type { TreeContext } from "./tree-context";
import { wrongAt } from "./tree-errors";
import { ValueInput } from "./ValueInput";

interface CriterionRowProps {
  criterion: Criterion;
  name: string;
  tree: TreeContext;
}

/** One question: about which field, how, and against what. */
export const CriterionRow = ({ criterion, name, tree }: CriterionRowProps) => {
  const { root, fields, fresh, isReadOnly, onChange } = tree;
  const first = useRef<HTMLInputElement>(null);
  const isFresh = fresh === criterion.id;
  useEffect(() => {
    if (isFresh) first.current?.focus();
  }, [isFresh]);
  const field = fields.get(criterion.field);
  const wrong = tree.wrong.get(criterion.id);
  const patch = (change: Partial<Criterion>): void => onChange(updateCriterion(root, criterion.id, change));
  const ofDevices = [...fields.values()].filter((one) => !one.name.startsWith("custom."));
  const custom = [...fields.values()].filter((one) => one.name.startsWith("custom."));
  const choices = (some: typeof custom) => some.map((one) => ({ value: one.name, label: fieldWord(one) }));
  const whole = wrongAt(wrong, "");
  return (
    <div className={classes.criterion} data-negated={criterion.isNegated} role="group" aria-label={name}>
      <Select
        ref={first}
        size="xs"
        aria-label={`Field of ${name}`}
        placeholder="What of the device"
        searchable
        disabled={isReadOnly}
        leftSection={criterion.isNegated ? <span className={classes.not}>NOT</span> : undefined}
        leftSectionWidth={criterion.isNegated ? 42 : undefined}
        data={[
          { group: "Devices", items: choices(ofDevices) },
          ...(custom.length ? [{ group: "Custom fields", items: choices(custom) }] : []),
        ]}
        value={criterion.field || null}
        error={wrongAt(wrong, "field")}
        onChange={(chosen) => {
          const next = fields.get(chosen ?? "");
          if (next) patch(withField(criterion, next, field?.kind));
        }}
      />
      <Select
        size="xs"
        aria-label={`Operator of ${name}`}
        placeholder="how"
        disabled={isReadOnly || !field}
        allowDeselect={false}
        data={(field?.operators ?? []).map((one) => ({ value: one, label: operatorWord(one) }))}
        value={criterion.operator || null}
        error={wrongAt(wrong, "operator")}
        onChange={(operator) => operator && patch({ operator })}
      />
      <ValueInput
        criterion={criterion}
        field={field}
        sites={tree.sites}
        name={name}
        error={wrongAt(wrong, "value")}
        isReadOnly={isReadOnly}
        onChange={patch}
      />
      {!isReadOnly && <NodeTools node={criterion} root={root} name={name} onChange={onChange} />}
      {whole && (
        <div className={classes.wrong} role="alert">
          {whole}
        </div>
      )}
    </div>
  );
};
