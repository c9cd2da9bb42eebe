import { Loader } from "@mantine/core";
import classes from "./panel.module.css";

/** In the place of a thing that is being read. */
export const Reading = ({ what }: { what: string }) => (
  <div className={`wb-panel ${classes.reading}`} role="status">
    <Loader size="sm" />
    <span>Reading {what}…</span>
  </div>
);
