import type { IncomingMessage, ServerResponse } from "node:http";
import type { Plugin } from "vite";
import { createMockEngine } from "./engine.ts";

/** `npm run dev:mock`: the console as it is written, before an Engine that is made up (see `engine.ts`). */
export const mockEngine = (jobCount: number): Plugin => ({
  name: "watchbill-mock-engine",
  configureServer(server) {
    const streams = new Set<ServerResponse>();
    let id = 0;
    const engine = createMockEngine((kind, event) => {
      id += 1;
      for (const one of streams) one.write(`id: ${id}\nevent: ${kind}\ndata: ${JSON.stringify(event)}\n\n`);
    }, jobCount);
    server.middlewares.use((request, response, next) => {
      const url = new URL(request.url ?? "/", "http://mock");
      if (!url.pathname.startsWith("/api/")) next();
      else if (url.pathname === "/api/events") open(streams, request, response);
      else void reply(engine, url, request, response);
    });
  },
});

const open = (streams: Set<ServerResponse>, request: IncomingMessage, response: ServerResponse): void => {
  response.writeHead(200, { "Content-Type": "text/event-stream", "Cache-Control": "no-store" });
  response.write(": the mock\n\n");
  streams.add(response);
  request.on("close", () => streams.delete(response));
};

const reply = async (
  engine: ReturnType<typeof createMockEngine>,
  url: URL,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> => {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const answer = engine.answer(request.method ?? "GET", url.pathname, url.searchParams, parsed(Buffer.concat(chunks).toString()));
  const { status, body } = answer ?? {
    status: 404,
    body: { title: "Not found", status: 404, detail: "No such operation.", errors: [] },
  };
  const isProblem = status >= 400;
  response.writeHead(status, { "Content-Type": isProblem ? "application/problem+json" : "application/json" });
  response.end(status === 204 || body === null ? "" : JSON.stringify(body));
};

const parsed = (text: string): Record<string, unknown> => {
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    return {}; // a file, or nothing
  }
};
