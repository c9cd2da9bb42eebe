import type { AssemblyFile } from "@/api/assemblies";
import { type Draft, withFile } from "./draft";

/** The files of a playbook while they are written: added, renamed and taken away, their texts with them. */

type Tree = Pick<Draft, "files" | "texts">;

/** No content has this digest: what is written here is stored before a save names it. */
const NOT_STORED = "0".repeat(64);

const without = (texts: Draft["texts"], name: string): Draft["texts"] =>
  Object.fromEntries(Object.entries(texts).filter(([one]) => one !== name));

const isTaken = ({ files }: Tree, name: string): boolean => files.some((one) => one.name.toLowerCase() === name.toLowerCase());

/** An empty file; null where there is one of that name already. */
export const added = (tree: Tree, name: string): Tree | null =>
  isTaken(tree, name)
    ? null
    : {
        files: withFile(tree.files, { name, sha256: NOT_STORED, size: 0 }),
        texts: { ...tree.texts, [name]: "" },
      };

export const renamed = (tree: Tree, name: string, next: string): Tree | null => {
  const file = tree.files.find((one) => one.name === name);
  const others = tree.files.filter((one) => one.name !== name);
  if (!file || isTaken({ ...tree, files: others }, next)) return null;
  const text = tree.texts[name];
  const texts = without(tree.texts, name);
  return { files: withFile(others, { ...file, name: next }), texts: text === undefined ? texts : { ...texts, [next]: text } };
};

export const removed = (tree: Tree, name: string): Tree => ({
  files: tree.files.filter((one) => one.name !== name),
  texts: without(tree.texts, name),
});

/** Files whose contents are stored already, in place of those of the same names. */
export const attached = (tree: Tree, files: readonly AssemblyFile[]): Tree =>
  files.reduce<Tree>((now, file) => ({ files: withFile(now.files, file), texts: without(now.texts, file.name) }), {
    files: tree.files,
    texts: tree.texts,
  });

export interface Folder {
  /** With its last slash; empty for what lies beside the playbook. */
  path: string;
  files: { path: string; name: string }[];
}

/** The files by the folders in which they lie. */
export const foldersOf = (files: readonly AssemblyFile[]): Folder[] => {
  const folders = new Map<string, Folder>();
  for (const { name: path } of files) {
    const cut = path.lastIndexOf("/") + 1;
    const folder = folders.get(path.slice(0, cut)) ?? { path: path.slice(0, cut), files: [] };
    folder.files.push({ path, name: path.slice(cut) });
    folders.set(folder.path, folder);
  }
  return [...folders.values()].sort((one, other) => one.path.localeCompare(other.path));
};
