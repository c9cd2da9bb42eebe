import { Alert, Button, Checkbox, Group, Modal, Stack, Textarea } from "@mantine/core";
import { useState } from "react";
import { type TestReply, useTestWebhook, type Webhook } from "@/api/webhooks";
import { paths } from "@/lib/paths";
import { AppLink } from "@/ui/AppLink";
import { ProblemAlert } from "@/ui/ProblemAlert";
import { FieldProblems } from "./FieldProblems";
import { readBody } from "./webhook-words";

/** A body as a sender would send it: what it gives to the workflow, and on request the run of it. */
export const TestDialog = ({ one, mayLaunch, onClose }: { one: Webhook; mayLaunch: string | null; onClose: () => void }) => {
  const [typed, setTyped] = useState("{\n  \n}");
  const [launch, setLaunch] = useState(false);
  const [wrong, setWrong] = useState<string | null>(null);
  const test = useTestWebhook();
  const submit = (): void => {
    const body = readBody(typed);
    test.reset();
    setWrong("wrong" in body ? body.wrong : null);
    if ("value" in body) test.mutate({ one, payload: body.value, launch });
  };
  return (
    <Modal opened size="lg" onClose={onClose} title={`Test of “${one.name}”`} closeButtonProps={{ "aria-label": "Close" }}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          submit();
        }}
      >
        <Stack gap="sm">
          <Textarea
            label="Body"
            description="JSON, as a sender would post it. No proof is needed here."
            autosize
            minRows={4}
            maxRows={16}
            spellCheck={false}
            styles={{ input: { fontFamily: "var(--mantine-font-family-monospace)" } }}
            value={typed}
            error={wrong}
            onChange={(event) => setTyped(event.currentTarget.value)}
          />
          <Checkbox
            label="Run the workflow with it"
            description={mayLaunch ?? "Not ticked: it is only said what the body would give."}
            checked={launch}
            disabled={mayLaunch !== null}
            onChange={(event) => setLaunch(event.currentTarget.checked)}
          />
          <ProblemAlert problem={test.error} />
          {test.data && <Found reply={test.data} />}
          <Group justify="flex-end" gap="xs">
            <Button variant="default" onClick={onClose}>
              Close
            </Button>
            <Button type="submit" loading={test.isPending}>
              Send test
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
};

const Found = ({ reply }: { reply: TestReply }) => {
  const given = Object.entries(reply.parameters);
  const isGood = reply.problems.length === 0;
  return (
    <Alert
      role="status"
      variant="light"
      color={isGood ? "teal" : "red"}
      title={isGood ? "A delivery like this is taken" : "A delivery like this is turned away"}
      styles={{ label: { color: `var(--wb-${isGood ? "good" : "bad"})` } }}
    >
      <FieldProblems problems={reply.problems} />
      {isGood && given.length === 0 && "It gives no parameters; their defaults count."}
      {given.map(([name, value]) => (
        <div key={name}>
          <code>
            {name} = {JSON.stringify(value)}
          </code>
        </div>
      ))}
      {reply.run_id !== null && (
        <AppLink to={paths.workflowRun(reply.run_id)} style={{ textDecoration: "underline" }}>
          Open its run
        </AppLink>
      )}
    </Alert>
  );
};
