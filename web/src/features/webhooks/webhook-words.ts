import type { Delivery, Webhook, WebhookBody } from "@/api/webhooks";
import type { StateMark } from "@/lib/states";

type Mode = Webhook["mode"];
type Outcome = Delivery["outcome"];

export const MODES: readonly { value: Mode; label: string; means: string }[] = [
  { value: "hmac", label: "A signature", means: "Each delivery is signed with the secret, which is never sent itself." },
  { value: "bearer", label: "A token", means: "For senders that cannot sign: the secret goes with each delivery." },
];

export const modeInWords = (mode: Mode): string => MODES.find((one) => one.value === mode)?.label ?? mode;

export const newWebhook = (): WebhookBody => ({ name: "", enabled: true, mode: "hmac", rate_per_minute: 60 });

export const bodyOf = ({ name, enabled, mode, rate_per_minute }: Webhook): WebhookBody => ({ name, enabled, mode, rate_per_minute });

/** What became of a delivery: a word, and the tone and icon of the state that is most like it. */
export const OUTCOMES: Readonly<Record<Outcome, { word: string; tone: StateMark["tone"]; icon: StateMark["icon"] }>> = {
  launched: { word: "Launched a run", tone: "good", icon: "success" },
  repeated: { word: "Sent again: the same run", tone: "idle", icon: "skipped" },
  invalid: { word: "Its body is wrong", tone: "bad", icon: "failed" },
  refused: { word: "Could not be launched", tone: "bad", icon: "failed" },
  unauthorized: { word: "No valid proof", tone: "bad", icon: "credential" },
  rate_limited: { word: "Too many", tone: "warn", icon: "waiting" },
  tested: { word: "A test", tone: "idle", icon: "done" },
};

const isOutcome = (word: string): word is Outcome => word in OUTCOMES;

export const outcomeInWords = (outcome: string): string => (isOutcome(outcome) ? OUTCOMES[outcome].word : outcome);

const REASONS: Readonly<Record<string, string>> = {
  disabled: "The webhook was off.",
  no_proof: "It brought no proof.",
  wrong_proof: "Its proof is of another secret.",
  untimely: "The time of its signature is more than five minutes off.",
  key_lost: "The key that the secret is sealed with is lost: give the webhook a new secret.",
  replayed: "The signature was used already.",
  overlap: "Another run of the workflow was going on.",
  no_trigger: "The workflow has no webhook trigger any more.",
  assembly_archived: "The workflow is archived.",
};

/** Why a delivery ended so; a word that is not known is told as it is. */
export const reasonInWords = (reason: string): string => REASONS[reason] ?? reason.replaceAll("_", " ");

export const OVERLAPS: readonly { value: string; label: string }[] = [
  { value: "0", label: "not at all" },
  { value: "3600", label: "for an hour" },
  { value: "86400", label: "for a day" },
  { value: "604800", label: "for a week" },
];

/** A body as a person types it: what it says, or why it says nothing. */
export const readBody = (typed: string): { value: unknown } | { wrong: string } => {
  try {
    return { value: JSON.parse(typed) as unknown };
  } catch (error) {
    return { wrong: `This is no JSON: ${error instanceof Error ? error.message : "it cannot be read"}` };
  }
};

/** A command that sends a delivery as its mode wants it. The secret stands in $SECRET, not in the command. */
export const exampleOf = ({ url, mode }: Pick<Webhook, "url" | "mode">): string =>
  mode === "bearer"
    ? `curl --fail-with-body '${url}' \\
  --header 'Content-Type: application/json' \\
  --header "Authorization: Bearer $SECRET" \\
  --data-binary '{}'`
    : `body='{}'
timestamp=$(date +%s)
signature=$(printf '%s.%s' "$timestamp" "$body" | openssl dgst -sha256 -hmac "$SECRET" | sed 's/.* //')
curl --fail-with-body '${url}' \\
  --header 'Content-Type: application/json' \\
  --header "X-Watchbill-Timestamp: $timestamp" \\
  --header "X-Watchbill-Signature: v1=$signature" \\
  --data-binary "$body"`;
