import { Loader } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { assemblyQuery } from "@/api/assemblies";
import { useMay } from "@/api/session";
import { AssemblyEditor } from "@/features/assemblies/AssemblyEditor";
import { copyOf, newDraft } from "@/features/assemblies/draft";
import { paths } from "@/lib/paths";
import { oneOf, text } from "@/lib/search-params";
import { useUrlState } from "@/lib/url-state";
import { PageHeader } from "@/ui/PageHeader";
import { ProblemAlert } from "@/ui/ProblemAlert";
import { WithWorkflows } from "./workflow-parts";

const STATE = { from: text(), kind: oneOf(["workflow"]) };

/** A new assembly; a copy of another one where the address says `from`. */
const NewAssemblyPage = () => {
  const [{ from, kind }] = useUrlState(STATE);
  const may = useMay("assemblies:write");
  const navigate = useNavigate();
  const source = useQuery({ ...assemblyQuery(from), enabled: from !== "" });
  if (from && !source.data)
    return (
      <>
        <PageHeader title="New Assembly" />
        {source.error ? (
          <ProblemAlert problem={source.error} onRetry={() => void source.refetch()} />
        ) : (
          <Loader size="sm" aria-label="Reading the assembly to copy" />
        )}
      </>
    );
  return (
    <WithWorkflows>
      <AssemblyEditor
        key={`${from} ${kind ?? ""}`}
        saved={null}
        initial={source.data && from ? copyOf(source.data) : newDraft(kind ?? "script")}
        refused={may.reason}
        onMade={(made) => void navigate({ to: paths.assembly(made.id), ignoreBlocker: true, replace: true })}
      />
    </WithWorkflows>
  );
};

export default NewAssemblyPage;
