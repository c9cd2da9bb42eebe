import { fireEvent, render, screen } from "@testing-library/react";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { startKeys, useActiveKeys, useKeys } from "./keys";

let stop: () => void;
beforeEach(() => (stop = startKeys()));
afterEach(() => stop());

const Page = ({ go, next }: { go: () => void; next: () => void }) => {
  useKeys([
    { keys: "g j", does: "Jobs", run: go },
    { keys: "j", does: "Next", run: next },
  ]);
  return <input aria-label="field" />;
};
const press = (key: string, target: Element = document.body) => fireEvent.keyDown(target, { key });

it("takes one key, and two after one another", () => {
  const [go, next] = [vi.fn(), vi.fn()];
  render(<Page go={go} next={next} />);
  press("j");
  expect([go.mock.calls.length, next.mock.calls.length]).toEqual([0, 1]);
  press("g");
  press("j");
  expect([go.mock.calls.length, next.mock.calls.length]).toEqual([1, 1]);
});

it("rests while somebody types, and when the part has gone", () => {
  const next = vi.fn();
  const { unmount } = render(<Page go={vi.fn()} next={next} />);
  press("j", screen.getByLabelText("field"));
  unmount();
  press("j");
  expect(next).not.toHaveBeenCalled();
});

it("lists each key once, as what was added last means it", () => {
  const List = () => (
    <output>
      {useActiveKeys()
        .map((one) => `${one.keys}=${one.does}`)
        .join(" ")}
    </output>
  );
  const Over = () => {
    useKeys([{ keys: "j", does: "Mine", run: vi.fn() }]);
    return null;
  };
  render(
    <>
      <Page go={vi.fn()} next={vi.fn()} />
      <Over />
      <List />
    </>,
  );
  expect(screen.getByRole("status").textContent).toBe("g j=Jobs j=Mine");
});
