import { expect, it } from "vitest";
import { EVENTS, eventInWords, eventsInWords, headersOf } from "./notification-words";

it("reads headers line by line, and nothing as: leave them", () => {
  expect(headersOf(" \n")).toBeNull();
  expect(headersOf("Authorization: Bearer a:b\nX-Team:  night ")).toEqual({ Authorization: "Bearer a:b", "X-Team": "night" });
});

it("marks what is urgent", () => {
  expect(eventsInWords({ events: ["failed", "missed"], urgent_events: ["missed"] })).toBe("Failed, Missed (urgent)");
});

it("names a message, and offers it to no rule", () => {
  expect(eventInWords("message")).toBe("Message");
  expect(EVENTS.map(([event]) => event)).not.toContain("message");
});
