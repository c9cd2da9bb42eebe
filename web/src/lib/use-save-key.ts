import { useEffect, useRef } from "react";

/** Ctrl S (⌘ S) saves, from wherever on the page one is; the browser's own “save page” stays away. Not while a dialog is open. */
export const useSaveKey = (save: () => void): void => {
  const current = useRef(save);
  useEffect(() => {
    current.current = save;
  });
  useEffect(() => {
    const listen = (event: KeyboardEvent): void => {
      if (!(event.ctrlKey || event.metaKey) || event.altKey || event.key !== "s") return;
      event.preventDefault();
      if (!document.querySelector("[role=dialog]")) current.current();
    };
    document.addEventListener("keydown", listen);
    return () => document.removeEventListener("keydown", listen);
  }, []);
};
