import { Button, FileButton, Tooltip } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { type Assembly, type AssemblyFile, fileAddress, filesQuery, useStoreFile } from "@/api/assemblies";
import { bytes } from "@/lib/bytes";
import { Icon } from "@/ui/icons";
import { IconAction } from "@/ui/IconAction";
import { ProblemAlert } from "@/ui/ProblemAlert";
import classes from "./assemblies.module.css";
import { withFile } from "./draft";

interface FilesEditorProps {
  files: readonly AssemblyFile[];
  /** What is saved; its files can be downloaded. */
  saved: Pick<Assembly, "id" | "revision" | "files"> | null;
  isReadOnly: boolean;
  errorOf: (field: string) => string | undefined;
  onChange: (files: AssemblyFile[]) => void;
}

/** The files that lie beside the script when it starts. Their contents are stored at once, and attached by the next save. */
export const FilesEditor = ({ files, saved, isReadOnly, errorOf, onChange }: FilesEditorProps) => {
  const store = useStoreFile();
  const add = (file: File | null): void => {
    if (!file) return;
    store.mutate(file, { onSuccess: (stored) => onChange(withFile(files, { name: file.name, ...stored })) });
  };
  return (
    <section className={`wb-panel ${classes.section}`} aria-label="Files">
      <div className={classes.sectionHead}>
        <h2>Files</h2>
        {!isReadOnly && (
          <FileButton onChange={add}>
            {(props) => (
              <Button {...props} variant="default" leftSection={<Icon name="add" size={14} />} loading={store.isPending}>
                Attach file
              </Button>
            )}
          </FileButton>
        )}
      </div>
      <ProblemAlert problem={store.error} />
      <p className={classes.hint}>
        {files.length === 0 ? "None is attached. " : ""}They lie in the script’s own folder when it starts, under these names.
        {isReadOnly ? "" : " One of the same name is replaced."}
      </p>
      {files.length > 0 && (
        <table className={classes.files}>
          <thead>
            <tr>
              <th>Name</th>
              <th>Size</th>
              <th>SHA-256</th>
              <th>
                <span className="wb-only-read">Actions</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {files.map((file, place) => (
              <FileRow
                key={file.name}
                file={file}
                saved={saved?.files?.some((one) => one.name === file.name && one.sha256 === file.sha256) ? saved : null}
                error={errorOf(`files.${place}.name`) ?? errorOf(`files.${place}.sha256`)}
                onRemove={isReadOnly ? undefined : () => onChange(files.filter((one) => one !== file))}
              />
            ))}
          </tbody>
        </table>
      )}
    </section>
  );
};

interface FileRowProps {
  file: AssemblyFile;
  saved: FilesEditorProps["saved"];
  error: string | undefined;
  onRemove?: () => void;
}

const FileRow = ({ file, saved, error, onRemove }: FileRowProps) => {
  const kept = useQuery({ ...filesQuery(saved?.id ?? "", saved?.revision ?? 0), enabled: saved !== null }).data?.items;
  const isGone = kept?.find((one) => one.name === file.name)?.is_stored === false;
  return (
    <tr>
      <td>
        {saved && !isGone ? (
          <a href={fileAddress(saved.id, file.name, saved.revision)} download={file.name} className={classes.download}>
            {file.name}
          </a>
        ) : (
          file.name
        )}
        {!saved && <span className={classes.dim}> · attached by the next save</span>}
        {isGone && <span className={classes.dim}> · its content is no longer stored</span>}
        {error && <div role="alert">{error}</div>}
      </td>
      <td style={{ whiteSpace: "nowrap" }}>{bytes(file.size)}</td>
      <td>
        <Tooltip label={file.sha256}>
          {/* eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- the whole hash opens by focus as well as by hover */}
          <span className={classes.hash} tabIndex={0}>
            {file.sha256.slice(0, 12)}…
          </span>
        </Tooltip>
      </td>
      <td style={{ textAlign: "right", paddingRight: 0 }}>
        {onRemove && <IconAction label={`Remove ${file.name}`} icon="delete" onClick={onRemove} />}
      </td>
    </tr>
  );
};
