/** What the API says when it refuses: RFC 9457 problem details, with every bad field at once. */

export interface FieldProblem {
  field: string;
  code: string;
  message: string;
}

export class ApiProblem extends Error {
  readonly status: number;
  readonly code: string;
  readonly title: string;
  readonly detail: string;
  readonly errors: readonly FieldProblem[];

  constructor(status: number, code: string, title: string, detail: string, errors: readonly FieldProblem[] = []) {
    super(detail || title);
    this.name = "ApiProblem";
    this.status = status;
    this.code = code;
    this.title = title;
    this.detail = detail;
    this.errors = errors;
  }
}

export const isProblem = (error: unknown): error is ApiProblem => error instanceof ApiProblem;

/** From whatever a reply held: a proxy in between answers in its own words. */
export const problemOf = (response: Response, body: unknown): ApiProblem => {
  const told = (typeof body === "object" && body !== null ? body : {}) as Partial<ApiProblem>;
  const title = told.title ?? (response.statusText || `Status ${response.status}`);
  const retry = response.headers.get("Retry-After");
  const detail = told.detail ?? `The Engine answered with status ${response.status}.`;
  const more = response.status === 429 && retry ? ` Try again in ${retry} s.` : "";
  return new ApiProblem(response.status, told.code ?? "unknown", title, `${detail}${more}`, told.errors ?? []);
};

/** Nothing came back at all. */
export const unreachable = (): ApiProblem =>
  new ApiProblem(0, "unreachable", "No answer", "The Engine does not answer. Is it running, and is this computer online?");

export const asProblem = (error: unknown): ApiProblem => {
  if (isProblem(error)) return error;
  return new ApiProblem(0, "console_fault", "The console made a mistake", error instanceof Error ? error.message : String(error));
};
