import { Select } from "@mantine/core";
import { useQueries } from "@tanstack/react-query";
import { type Credential, credentialChoices, type CredentialKind } from "@/api/credentials";
import { paths } from "@/lib/paths";
import { AppLink } from "@/ui/AppLink";
import { IconAction } from "@/ui/IconAction";
import { kindsOf, moved } from "./credential-order";
import classes from "./job-editor.module.css";
import type { Platform } from "./onboarding-form";
import scope from "./scope.module.css";

interface CredentialListProps {
  platform: Platform;
  /** Credentials of other sites do not fit. */
  siteId: number | null;
  chosen: readonly number[];
  onChange: (chosen: number[]) => void;
  faultAt: (place: number) => string | undefined;
}

const KINDS: readonly CredentialKind[] = ["ssh", "winrm"];
const WAYS: Readonly<Record<CredentialKind, string>> = { ssh: "SSH", winrm: "WinRM and SMB" };
const MOST = 10;

/** The credentials that a machine is tried with, in their order, each account once. */
export const CredentialList = ({ platform, siteId, chosen, onChange, faultAt }: CredentialListProps) => {
  const found = useQueries({ queries: KINDS.map((kind) => credentialChoices(kind)) });
  const all = found.flatMap((one) => one.data ?? []);
  const isRead = found.every((one) => !one.isPending);
  const fitting = kindsOf(platform);
  const choices = all.filter(
    (one) =>
      fitting.includes(one.kind) &&
      !chosen.includes(one.id) &&
      (one.site_id === null || siteId === null || one.site_id === siteId),
  );
  return (
    <div className={classes.stack} role="group" aria-labelledby="credentials-in-order">
      <h3 id="credentials-in-order" className={classes.subtitle}>
        Credentials, in the order in which they are tried
      </h3>
      {chosen.length > 0 && (
        <ol className={scope.credentials}>
          {chosen.map((id, at) => {
            const one = all.find((other) => other.id === id);
            const name = one?.name ?? `Credential ${String(id)}`;
            const fault = faultAt(at);
            return (
              <li key={id} className={scope.credential} data-bad={fault !== undefined}>
                <span className={classes.place}>{at + 1}</span>
                <span>
                  {name} <small>{one ? about(one) : isRead ? "no longer there, or not yours to see" : ""}</small>
                </span>
                <span className={classes.headActions}>
                  <IconAction
                    label={`Try ${name} earlier`}
                    icon="up"
                    reason={at === 0 ? "It is the first." : null}
                    onClick={() => onChange(moved(chosen, at, -1))}
                  />
                  <IconAction
                    label={`Try ${name} later`}
                    icon="down"
                    reason={at === chosen.length - 1 ? "It is the last." : null}
                    onClick={() => onChange(moved(chosen, at, 1))}
                  />
                  <IconAction
                    label={`Take away ${name}`}
                    icon="close"
                    onClick={() => onChange(chosen.filter((other) => other !== id))}
                  />
                </span>
                {fault && <p role="alert">{fault}</p>}
              </li>
            );
          })}
        </ol>
      )}
      <Select
        label="Add a credential"
        description={
          <>
            {choices.length === 0 && isRead ? "There is no further one that fits. They are made under " : "They are kept under "}
            <AppLink to={paths.credentials()} style={{ textDecoration: "underline" }}>
              Credentials
            </AppLink>
            .
          </>
        }
        inputWrapperOrder={["label", "input", "description", "error"]}
        searchable
        disabled={chosen.length >= MOST}
        placeholder={chosen.length >= MOST ? `At most ${MOST} are tried` : "Choose one"}
        nothingFoundMessage="No credential that fits is called so."
        data={choices.map((one) => ({ value: String(one.id), label: `${one.name} · ${about(one)}` }))}
        value={null}
        onChange={(id) => id !== null && onChange([...chosen, Number(id)])}
      />
    </div>
  );
};

const about = (one: Credential): string => {
  const place = one.site_id === null ? "every site" : (one.site_name ?? `site ${String(one.site_id)}`);
  return [WAYS[one.kind], place, one.state === "ready" ? null : "secrets lost"].filter(Boolean).join(" · ");
};
