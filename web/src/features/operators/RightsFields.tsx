import { Checkbox, MultiSelect, Radio, Stack, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { type Operator, rolesQuery } from "@/api/operators";
import { useSites } from "@/api/sites";
import { permissionWords } from "@/lib/permissions";
import classes from "./operators.module.css";
import { ROLE_NAMES, ROLES } from "./roles";

export type Rights = Pick<Operator, "role" | "site_ids" | "denied_permissions">;

interface RightsFieldsProps {
  rights: Rights;
  errorOf: (field: string) => string | undefined;
  onChange: (patch: Partial<Rights>) => void;
}

/** The role, the sites that are seen, and what of the role is taken away. */
export const RightsFields = ({ rights, errorOf, onChange }: RightsFieldsProps) => {
  const sites = useSites();
  const roles = useQuery(rolesQuery()).data;
  const deniable = roles?.find((one) => one.role === rights.role)?.deniable ?? [];
  const denied = new Set(rights.denied_permissions);
  return (
    <>
      <Radio.Group
        label="Role"
        value={rights.role}
        error={errorOf("role")}
        onChange={(chosen) => {
          const role = ROLE_NAMES.find((one) => one === chosen);
          if (role) onChange({ role, denied_permissions: [], ...(role === "admin" ? { site_ids: [] } : {}) });
        }}
      >
        <Stack gap={8} mt={6}>
          {ROLE_NAMES.map((role) => (
            <Radio key={role} size="sm" value={role} label={ROLES[role].label} description={ROLES[role].about} />
          ))}
        </Stack>
      </Radio.Group>
      {rights.role !== "admin" && (
        <MultiSelect
          label="Sites"
          description={rights.site_ids.length === 0 ? "Without a site it sees nothing." : undefined}
          data={sites.map((one) => ({ value: String(one.id), label: one.name }))}
          value={rights.site_ids.map(String)}
          error={errorOf("site_ids")}
          searchable
          clearable
          onChange={(chosen) => onChange({ site_ids: chosen.map(Number) })}
        />
      )}
      {deniable.length > 0 && (
        <div role="group" aria-label="What of the role it may do">
          <Text size="sm" fw={500}>
            May
          </Text>
          {errorOf("denied_permissions") && (
            <Text size="xs" c="var(--mantine-color-error)">
              {errorOf("denied_permissions")}
            </Text>
          )}
          <div className={classes.rights}>
            {deniable.map((one) => (
              <Checkbox
                key={one}
                size="sm"
                label={permissionWords(one).label}
                description={permissionWords(one).about}
                checked={!denied.has(one)}
                onChange={(event) =>
                  onChange({
                    denied_permissions: event.currentTarget.checked
                      ? rights.denied_permissions.filter((other) => other !== one)
                      : [...rights.denied_permissions, one],
                  })
                }
              />
            ))}
          </div>
        </div>
      )}
    </>
  );
};
