import { Menu, Textarea, UnstyledButton } from "@mantine/core";
import { useRef } from "react";
import classes from "./editor.module.css";
import { useEditorApi } from "./editor-context";
import { namesFor } from "./names";

interface ExpressionFieldProps {
  nodeId: string;
  label: string;
  description?: string;
  placeholder?: string;
  value: string;
  error?: string;
  /** A text that may hold `{{ expressions }}`, not an expression itself. */
  isText?: boolean;
  rows?: number;
  onChange: (value: string) => void;
}

/** An expression, or a text with some in it, and the names that may be used there. */
export const ExpressionField = (props: ExpressionFieldProps) => {
  const { nodeId, label, description, placeholder, value, error, isText = false, rows = isText ? 3 : 1, onChange } = props;
  const { doc, parameters, isReadOnly } = useEditorApi();
  const field = useRef<HTMLTextAreaElement>(null);
  const names = namesFor(doc, nodeId, parameters);
  const insert = (name: string): void => {
    const said = isText ? `{{ ${name} }}` : name;
    const at = field.current?.selectionStart ?? value.length;
    onChange(`${value.slice(0, at)}${said}${value.slice(field.current?.selectionEnd ?? at)}`);
    field.current?.focus();
  };
  return (
    <div>
      <Textarea
        ref={field}
        label={label}
        description={description}
        placeholder={placeholder}
        inputWrapperOrder={["label", "input", "description", "error"]}
        autosize
        minRows={rows}
        maxRows={10}
        spellCheck={isText}
        classNames={isText ? undefined : { input: classes.code }}
        value={value}
        error={error}
        readOnly={isReadOnly}
        onChange={(event) => onChange(event.currentTarget.value)}
      />
      {!isReadOnly && (
        <Menu position="bottom-start" width={300}>
          <Menu.Target>
            <UnstyledButton className={classes.insert} aria-label={`Insert a name into ${label}`}>
              Insert a name{isText ? " as {{ … }}" : ""}
            </UnstyledButton>
          </Menu.Target>
          <Menu.Dropdown mah={280} style={{ overflowY: "auto" }}>
            {names.map((one) => (
              <Menu.Item key={one.name} onClick={() => insert(one.name)}>
                <code>{one.name}</code>
                <span className={classes.about}>{one.about}</span>
              </Menu.Item>
            ))}
          </Menu.Dropdown>
        </Menu>
      )}
    </div>
  );
};
