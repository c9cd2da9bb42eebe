import { useEffect, useRef } from "react";
import { createStore, useStore } from "./store";

/** The keyboard: parts of the page say which keys they take while they are there; `?` lists exactly these. */

export interface KeyBinding {
  /** One key (`j`, `?`, `Enter`) or two after one another (`g j`), as `KeyboardEvent.key` calls them. */
  keys: string;
  does: string;
  /** Where the help lists it. */
  group?: string;
  run: () => void;
}

const bindings = createStore<readonly (readonly KeyBinding[])[]>([]);
const SECOND_KEY_MILLISECONDS = 1_200;

/** All keys that do something now; what was added last wins. */
export const useActiveKeys = (): KeyBinding[] => {
  const all = useStore(bindings).flat();
  return all.filter((one, place) => all.findLastIndex((other) => other.keys === one.keys) === place);
};

/** Take these keys while the component is there. They may be made anew at every rendering. `under`: all others go before them. */
export const useKeys = (wanted: readonly KeyBinding[], { under = false } = {}): void => {
  const current = useRef(wanted);
  useEffect(() => {
    current.current = wanted;
  });
  const shape = JSON.stringify(wanted.map(({ keys, does, group }) => [keys, does, group]));
  useEffect(() => {
    const told = current.current.map((one, place) => ({ ...one, run: () => current.current[place]?.run() }));
    bindings.set(under ? [told, ...bindings.get()] : [...bindings.get(), told]);
    return () => bindings.set(bindings.get().filter((one) => one !== told));
  }, [shape, under]);
};

const isTyping = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement && (target.isContentEditable || ["INPUT", "TEXTAREA", "SELECT"].includes(target.tagName));

/** Whether a dialog or a list of choices is open. Closed ones may stay in the page, without a place on it. */
const isCovered = (): boolean =>
  [...document.querySelectorAll("[role=dialog], [role=menu], [role=listbox]")].some((one) => one.getClientRects().length > 0);

const isControl = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement && target.closest("a, button, summary, [role=menuitem], [role=option], [role=tab]") !== null;

/** Listens once for the whole console; returns how to stop. */
export const startKeys = (): (() => void) => {
  let before: { key: string; at: number } | null = null;
  const listen = (event: KeyboardEvent): void => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
    if (isCovered()) return; // what lies above has its own keys
    if (event.key === "Enter" && isControl(event.target)) return; // Enter presses what has the focus
    const first = before && event.timeStamp - before.at < SECOND_KEY_MILLISECONDS ? before.key : null;
    before = null;
    const all = bindings.get().flat();
    const find = (keys: string) => all.findLast((one) => one.keys === keys);
    const found = (first ? find(`${first} ${event.key}`) : undefined) ?? find(event.key);
    if (found) {
      event.preventDefault();
      found.run();
    } else if (all.some((one) => one.keys.startsWith(`${event.key} `))) before = { key: event.key, at: event.timeStamp };
  };
  document.addEventListener("keydown", listen);
  return () => document.removeEventListener("keydown", listen);
};
