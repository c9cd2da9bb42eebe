import { queryOptions } from "@tanstack/react-query";
import { api, type Schemas, unwrap } from "./client";
import type { paths } from "./generated/schema";
import { asProblem } from "./problem";
import { key, listQuery, useApiMutation } from "./query";

export type Assembly = Schemas["AssemblyReply"];
export type AssemblyItem = Schemas["AssemblyListItem"];
export type AssemblyBody = Schemas["AssemblyBody"];
export type AssemblyRevision = Schemas["RevisionReply"];
export type AssemblyUsage = Schemas["AssemblyUsageReply"];
export type AssemblyFile = Schemas["FileBody"];
export type DeclaredVariable = Schemas["watchbill__api__assemblies__VariableBody"];
export type Interpreter = Schemas["Interpreter"];
export type AssemblyKind = Schemas["AssemblyKind"];
export type Collection = Schemas["CollectionBody"];
export type AssembliesQuery = Omit<NonNullable<paths["/api/assemblies"]["get"]["parameters"]["query"]>, "limit" | "cursor">;

const PAGE = 100;
/** Each of them brings its whole script. */
const REVISIONS_PAGE = 20;

export const assembliesQuery = (query: AssembliesQuery) =>
  listQuery<AssemblyItem>(key("assemblies", "list", query), (cursor, signal) =>
    unwrap(api.GET("/api/assemblies", { params: { query: { ...query, limit: PAGE, cursor } }, signal })),
  );

const at = (assemblyId: string) => ({ path: { assembly_id: assemblyId } });

export const assemblyQuery = (assemblyId: string) =>
  queryOptions({
    queryKey: key("assemblies", "one", assemblyId),
    queryFn: ({ signal }) => unwrap(api.GET("/api/assemblies/{assembly_id}", { params: at(assemblyId), signal })),
  });

/** The jobs that an assembly is part of. */
export const usageQuery = (assemblyId: string) =>
  queryOptions({
    queryKey: key("assemblies", "usage", assemblyId),
    queryFn: ({ signal }) => unwrap(api.GET("/api/assemblies/{assembly_id}/usage", { params: at(assemblyId), signal })),
    staleTime: 0,
  });

export const revisionsQuery = (assemblyId: string) =>
  listQuery<AssemblyRevision>(key("assemblies", "revisions", assemblyId), (cursor, signal) =>
    unwrap(
      api.GET("/api/assemblies/{assembly_id}/revisions", {
        params: { ...at(assemblyId), query: { limit: REVISIONS_PAGE, cursor } },
        signal,
      }),
    ),
  );

/** One revision; it never changes. */
export const revisionQuery = (assemblyId: string, revision: number) =>
  queryOptions({
    queryKey: key("assemblies", "revision", assemblyId, revision),
    queryFn: ({ signal }) =>
      unwrap(
        api.GET("/api/assemblies/{assembly_id}/revisions/{revision}", {
          params: { path: { assembly_id: assemblyId, revision } },
          signal,
        }),
      ),
    staleTime: "static",
  });

/** Which files of the latest revision are still stored. */
export const filesQuery = (assemblyId: string, revision: number) =>
  queryOptions({
    queryKey: key("assemblies", "files", assemblyId, revision),
    queryFn: ({ signal }) =>
      unwrap(api.GET("/api/assemblies/{assembly_id}/files", { params: { ...at(assemblyId), query: { revision } }, signal })),
  });

export const exportAddress = (assemblyId: string): string => `/api/assemblies/${encodeURIComponent(assemblyId)}/export`;
/** A playbook with its files. */
export const zipAddress = (assemblyId: string): string => `/api/assemblies/${encodeURIComponent(assemblyId)}/export_zip`;
export const fileAddress = (assemblyId: string, name: string, revision: number): string =>
  `/api/assemblies/${encodeURIComponent(assemblyId)}/files/${name.split("/").map(encodeURIComponent).join("/")}?revision=${revision}`;

/** The text of a file of a revision; a content never changes. */
export const fileTextQuery = (assemblyId: string, revision: number, file: AssemblyFile) =>
  queryOptions({
    queryKey: key("assemblies", "text", file.sha256),
    queryFn: async ({ signal }) => {
      const reply = await fetch(fileAddress(assemblyId, file.name, revision), { signal });
      if (!reply.ok) throw new Error("Its content is no longer stored.");
      return new TextDecoder().decode(await reply.arrayBuffer());
    },
    staleTime: "static",
  });

/** An assembly to be saved or checked, and what was written in files of it since. */
export interface Written {
  body: AssemblyBody;
  texts: Readonly<Record<string, string>>;
}

const storeContent = (content: Blob, signal?: AbortSignal) =>
  unwrap(
    api.POST("/api/assembly_files", {
      body: "",
      bodySerializer: () => content,
      headers: { "Content-Type": "application/octet-stream" },
      signal,
    }),
  );

/** The body with the contents of what was written, which are stored first. */
const storedBody = async ({ body, texts }: Written, signal?: AbortSignal): Promise<AssemblyBody> => {
  const files = (body.files ?? []).map(async (file) => {
    const text = texts[file.name];
    return text === undefined ? file : { name: file.name, ...(await storeContent(new Blob([text]), signal)) };
  });
  return { ...body, files: await Promise.all(files) };
};

/** What a save would find: for a playbook also what Ansible says of it. */
export const checkQuery = (assemblyId: string | null, written: Written) =>
  queryOptions({
    queryKey: key("assemblies", "check", assemblyId, written),
    queryFn: async ({ signal }) =>
      unwrap(
        api.POST("/api/assemblies/check", {
          params: { query: { assembly_id: assemblyId ?? undefined } },
          body: await storedBody(written, signal),
          signal,
        }),
      ),
    staleTime: "static",
    gcTime: 60_000,
    retry: false,
  });

/** `base`: what the change was made from; none makes a new assembly. A save by somebody else in between is refused with 412. */
export const useSaveAssembly = () =>
  useApiMutation({
    run: async ({ base, ...written }: { base: Pick<Assembly, "id" | "revision"> | null } & Written, headers) => {
      const body = await storedBody(written);
      return base
        ? unwrap(
            api.PUT("/api/assemblies/{assembly_id}", {
              params: { ...at(base.id), header: { "if-match": `"${base.revision}"` } },
              body,
            }),
          )
        : unwrap(api.POST("/api/assemblies", { body, headers }));
    },
    done: (saved) => `“${saved.name}” is saved as revision ${saved.revision}.`,
    touches: ["assemblies"],
    refusal: "form",
  });

export const useArchiveAssembly = () =>
  useApiMutation({
    run: ({ id }: Pick<Assembly, "id" | "name">) => unwrap(api.POST("/api/assemblies/{assembly_id}/archive", { params: at(id) })),
    done: (saved) => `“${saved.name}” is archived.`,
    touches: ["assemblies"],
    refusal: "form",
  });

export const useRestoreAssembly = () =>
  useApiMutation({
    run: ({ id }: Pick<Assembly, "id" | "name">) => unwrap(api.POST("/api/assemblies/{assembly_id}/restore", { params: at(id) })),
    done: (saved) => `“${saved.name}” is in use again.`,
    touches: ["assemblies"],
  });

/** A YAML file as the export writes it: a new assembly, or a new revision of the one with its name. */
export const useImportAssembly = (onDone: (saved: Assembly) => void) =>
  useApiMutation({
    run: (text: string) =>
      unwrap(
        api.POST("/api/assemblies/import", {
          body: text,
          bodySerializer: (body) => body,
          headers: { "Content-Type": "text/yaml" },
        }),
      ),
    done: (saved) => `“${saved.name}” is saved as revision ${saved.revision}.`,
    touches: ["assemblies"],
    onDone,
  });

/** A zip archive of a playbook: a new assembly, or a new revision of the one with its name, which is the file's where it says none. */
export const useImportArchive = (onDone: (saved: Assembly) => void) =>
  useApiMutation({
    run: async (file: File) => {
      try {
        return await sendArchive(file);
      } catch (error) {
        const isNameless = asProblem(error).errors.some((one) => one.field === "name" && one.code === "required");
        if (!isNameless) throw error;
        return sendArchive(file, file.name.replace(/\.zip$/i, ""));
      }
    },
    done: (saved) => `“${saved.name}” is saved as revision ${saved.revision}.`,
    touches: ["assemblies"],
    onDone,
  });

const sendArchive = (file: File, name?: string) =>
  unwrap(
    api.POST("/api/assemblies/import_zip", {
      params: { query: { name } },
      body: "",
      bodySerializer: () => file,
      headers: { "Content-Type": "application/octet-stream" },
    }),
  );

/** Store the content of a file; it is attached by the save that names it. */
export const useStoreFile = () => useApiMutation({ run: (file: File) => storeContent(file), refusal: "form" });
