import { PageHeader } from "@/ui/PageHeader";

const JobsPage = () => <PageHeader title="Scheduled Jobs" />;

export default JobsPage;
