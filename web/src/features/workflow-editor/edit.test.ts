import { describe, expect, it } from "vitest";
import { fromClipboard, toClipboard } from "./clipboard";
import { edgeId, freshId } from "./document";
import { changed, connected, fragmentOf, moved, pasted, renamed, routed, without } from "./edit";
import { made } from "./made.test-data";
import { parseText, readWorkflow } from "./read-document";

const doc = made(
  [
    ["start", "trigger_manual"],
    ["check", "script"],
    ["told", "notify"],
  ],
  [
    ["start.out", "check.in"],
    ["check.out", "told.in"],
    ["check.result", "told.inputs"],
  ],
);
const speaking = changed(doc, "told", {
  settings: { message: "{{ inputs.check.failed }} of {{ inputs.checked }}", list: ["inputs.check"] },
});

describe("changes", () => {
  it("removes nodes with their edges", () => {
    const left = without(doc, new Set(["check"]));
    expect(left.nodes.map((one) => one.id)).toEqual(["start", "told"]);
    expect(left.edges).toEqual([]);
  });
  it("removes an edge alone", () => {
    const left = without(doc, new Set(), new Set(["start.out check.in"]));
    expect(left.edges.map(edgeId)).toEqual(["check.out told.in", "check.result told.inputs"]);
    expect(left.nodes).toHaveLength(3);
  });
  it("connects only what may be", () => {
    expect(connected(doc, "start.out", "told.in").edges).toHaveLength(4);
    expect(connected(doc, "told.out", "check.in")).toBe(doc);
  });
  it("sets when an edge is taken", () => {
    expect(routed(doc, "check.out told.in", "failed").edges[1]?.route_on).toBe("failed");
  });
  it("is the same document where nothing has moved", () => {
    expect(moved(doc, new Map([["start", { x: 0.2, y: 0 }]]))).toBe(doc);
    expect(moved(doc, new Map([["start", { x: 10.4, y: 3 }]])).nodes[0]).toMatchObject({ x: 10, y: 3 });
  });
  it("renames a node in its edges and in what speaks of it", () => {
    const after = renamed(speaking, "check", "disk");
    expect(after.edges.map(edgeId)).toEqual(["start.out disk.in", "disk.out told.in", "disk.result told.inputs"]);
    expect(after.nodes[2]?.settings).toEqual({
      message: "{{ inputs.disk.failed }} of {{ inputs.checked }}",
      list: ["inputs.disk"],
    });
  });
});

describe("paste", () => {
  const ids = new Set(["check", "told"]);
  it("has new ids, the edges between the copies, and expressions that speak of the copies", () => {
    const { doc: after, ids: made } = pasted(speaking, fragmentOf(speaking, ids), freshId);
    expect(made).toEqual(["check_2", "told_2"]);
    expect(after.edges.slice(3).map(edgeId)).toEqual(["check_2.out told_2.in", "check_2.result told_2.inputs"]);
    expect(after.nodes[4]?.settings["message"]).toBe("{{ inputs.check_2.failed }} of {{ inputs.checked }}");
    expect(after.nodes.slice(0, 3)).toEqual(speaking.nodes);
  });
  it("goes where it is told to", () => {
    const { doc: after } = pasted(doc, fragmentOf(doc, ids), freshId, { x: 500, y: 40 });
    expect(after.nodes[3]).toMatchObject({ x: 500, y: 40 });
  });
  it("goes by the clipboard and comes back the same", () => {
    const fragment = fragmentOf(speaking, ids);
    expect(fromClipboard(toClipboard(fragment))).toEqual(fragment);
  });
  it("leaves other texts on the clipboard alone", () => {
    for (const text of ["", "watchbill-workflow-nodes", '{"nodes":[]}', '{"watchbill-workflow-nodes":1,"nodes":[{"id":1}]}'])
      expect(fromClipboard(text)).toBeNull();
  });
});

describe("ids", () => {
  it("are made of names", () => {
    expect(freshId("Check the disk!", [])).toBe("check_the_disk");
    expect(freshId("9 lives", [])).toBe("lives");
    expect(freshId("…", [])).toBe("node");
    expect(freshId("Script", ["script", "script_2"])).toBe("script_3");
    expect(freshId("script_2", ["script_2"])).toBe("script_3");
  });
  it("are never longer than 40", () => {
    const long = "a".repeat(60);
    expect(freshId(long, [])).toHaveLength(40);
    expect(freshId(long, ["a".repeat(40)])).toBe(`${"a".repeat(38)}_2`);
  });
});

describe("the document", () => {
  it("comes back as it was", () => {
    expect(readWorkflow(JSON.parse(JSON.stringify(speaking)))).toEqual(speaking);
    expect(parseText(JSON.stringify(speaking))).toEqual(speaking);
  });
  it("says what is wrong with a text", () => {
    expect(parseText("{")).toContain("This is no JSON");
    expect(parseText("[]")).toContain("lists “nodes” and “edges”");
    expect(parseText('{"nodes":[{"id":"a","type":"magic"}],"edges":[]}')).toContain("nodes.0");
    expect(parseText('{"nodes":[],"edges":[{"from":"a.out"}]}')).toContain("edges.0");
    const twice = { id: "a", type: "join" };
    expect(parseText(JSON.stringify({ nodes: [twice, twice], edges: [] }))).toContain("another node with the id “a”");
  });
});
